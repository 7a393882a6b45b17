package profile

// NameRule says which part of the names of one kind of generated class differs
// from one JVM to the next. The rules are what the Normalizer does, what its test
// tries, and what names.md says.
type NameRule struct {
	Family string
	// Needs are texts of which one is in every name that the rule is for. Most
	// names have none of them, which costs less to find out than a pattern.
	Needs []string
	// Pattern matches what is generated, up to the end of a part of the name, and
	// Keep is what stays of it. No pattern: nothing of the names is generated.
	Pattern, Keep string
	// Random says that the second group of the pattern is random text; where it
	// reads like a word it was written by a person and stays.
	Random bool
	Why    string // what the generated part is
	// Examples are names as the decoder delivers them, and what becomes of them.
	Examples []NameExample
	// Apart are names of users' classes that look alike and stay as they are.
	Apart []string
}

// NameExample is a name as a recording has it and as it is stored.
type NameExample struct{ Recorded, Stored string }

// Parts of patterns. Names are those of Java methods and classes with dots: of
// package.Class.method, package.Class or package.Class[].
const (
	end     = `($|[.\[])`    // of a class
	endPart = `($|[.\[$+/])` // of a class or of the class around it
	start   = `(^|\.)`       // of the last part of a class's full name
	// address is what a JVM appends to the name of a hidden class: an address
	// from JDK 15 on, a number before.
	address = `[.+/](?:0x[0-9a-fA-F]{4,16}|[0-9]+)(?:/[0-9]+)?`
	random  = `[0-9A-Za-z]{8}` // what Byte Buddy makes
	// flinkClasses are what Flink's planner calls the classes that it generates;
	// they are in no package.
	flinkClasses = `(?:Stream|Batch)Exec[A-Z]\w*|(?:Stream|Batch)(?:Calc|MultipleInput)|ExpressionReducer|SourceConversion|SinkConversion|` +
		`[A-Z]\w*AggsHandler|(?:Local)?(?:Hash|Sort)AggregateWith(?:out)?Keys|(?:Key|Value)?Projection|(?:Join)?ConditionFunction|` +
		`(?:Sort|Record)Comparator|SortComputer|(?:Long)?HashJoinOperator|RecordEqualiser|HashFunction|HashCode|WatermarkGenerator|` +
		`(?:Table)?FunctionCollector|(?:Async)?LookupFunction`
)

// NameRules returns all rules, in the order in which they are applied.
func NameRules() []NameRule {
	return append(append(jdkNames(), proxyNames()...), languageNames()...)
}

// jdkNames are of classes that the JDK generates.
func jdkNames() []NameRule {
	return []NameRule{
		{
			Family: "lambdas", Needs: []string{"$$Lambda"}, Pattern: `(\$\$Lambda)(?:\$[0-9]+)?` + address + end, Keep: "$1$2",
			Why: "a counter up to JDK 20, and an address or a number",
			Examples: []NameExample{
				{"demo.Workload$$Lambda$14.543846639.run", "demo.Workload$$Lambda.run"},
				{"demo.Workload$$Lambda$14/543846639.run", "demo.Workload$$Lambda.run"},
				{"demo.Workload$$Lambda$2.0x00007fe950002c00.run", "demo.Workload$$Lambda.run"},
				{"demo.Workload$$Lambda+0x00007f8177090218/543846639.run", "demo.Workload$$Lambda.run"},
				{"demo.Workload$$Lambda/0x00007f8177090218.run", "demo.Workload$$Lambda.run"},
				{"demo.Workload$$Lambda.0x00007f8177090218[]", "demo.Workload$$Lambda[]"},
				{"a.B$$Lambda$1.0x0000000000000001.c$$Lambda$2.0x000000000002", "a.B$$Lambda.c$$Lambda"},
			},
			Apart: []string{"demo.Workload$$Lambda$14.run", "demo.Workload.lambda$main$6", "demo.Workload.lambda$main$7"},
		},
		{
			Family: "method handles", Needs: []string{"LambdaForm$"}, Pattern: `(\.LambdaForm\$[A-Za-z]+)(?:\$[0-9]+)?` + address + end, Keep: "$1$2",
			Why: "an address or a number",
			Examples: []NameExample{
				{"java.lang.invoke.LambdaForm$MH.1359044626.invoke_MT", "java.lang.invoke.LambdaForm$MH.invoke_MT"},
				{"java.lang.invoke.LambdaForm$DMH.0x00007fe950003800.invokeStatic", "java.lang.invoke.LambdaForm$DMH.invokeStatic"},
				{"java.lang.invoke.LambdaForm$BMH$4.1225358173.reinvoke", "java.lang.invoke.LambdaForm$BMH.reinvoke"},
			},
			Apart: []string{"java.lang.invoke.LambdaForm$Name.create", "java.lang.invoke.BoundMethodHandle$Species_LL.make"},
		},
		{
			Family: "hidden and anonymous classes", Needs: []string{"0x", ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9", "/"}, Pattern: address + end, Keep: "$1",
			Why: "an address or a number",
			Examples: []NameExample{
				{"demo.Hidden.0x00007fe950002c00.run", "demo.Hidden.run"},
				{"demo.Hidden+0x00007fe950002c00.run", "demo.Hidden.run"},
				{"demo.Main$$TypeSwitch.0x00007fe950002c00.typeSwitch", "demo.Main$$TypeSwitch.typeSwitch"},
				{"java.lang.String$$StringConcat.0x00007fe950002c00.concat", "java.lang.String$$StringConcat.concat"},
				{"demo.Anonymous.1225358173.run", "demo.Anonymous.run"},
			},
			Apart: []string{"app.Map0x1f.get", "demo.Outer$1.run", "demo.Outer$2.run"},
		},
		{
			Family: "reflection", Needs: []string{"Generated"}, Keep: "$1$2",
			Pattern: `((?:^sun|^jdk\.internal)\.reflect\.Generated(?:Method|Constructor|SerializationConstructor)Accessor)[0-9]+` + end,
			Why:     "a counter",
			Examples: []NameExample{
				{"sun.reflect.GeneratedMethodAccessor12.invoke", "sun.reflect.GeneratedMethodAccessor.invoke"},
				{"jdk.internal.reflect.GeneratedConstructorAccessor3.newInstance", "jdk.internal.reflect.GeneratedConstructorAccessor.newInstance"},
				{"jdk.internal.reflect.GeneratedSerializationConstructorAccessor1.newInstance", "jdk.internal.reflect.GeneratedSerializationConstructorAccessor.newInstance"},
			},
			Apart: []string{"app.GeneratedMethodAccessor2Test.run", "app.GeneratedMethodAccessor2.run", "sun.reflect.GeneratedMethodAccessor2Test.run"},
		},
		{
			Family: "proxies", Needs: []string{"$Proxy"}, Pattern: start + `(\$Proxy)[0-9]+` + end, Keep: "$1$2$3",
			Why: "a counter",
			Examples: []NameExample{
				{"com.sun.proxy.$Proxy31.call", "com.sun.proxy.$Proxy.call"},
				{"app.$Proxy4.call", "app.$Proxy.call"},
				{"$Proxy0[]", "$Proxy[]"},
			},
			Apart: []string{"app.$Proxy1Factory.make", "app.$Proxy2Factory.make", "app.Client$Proxy1.call", "app.Client$Proxy2.call"},
		},
		{
			Family: "packages of proxies", Needs: []string{"jdk."}, Pattern: `((?:^|\.)jdk\.(?:proxy|MHProxy))[0-9]+(\.\$)`, Keep: "$1$2",
			Why: "a counter of modules, from JDK 16 on",
			Examples: []NameExample{
				{"jdk.proxy2.$Proxy31.call", "jdk.proxy.$Proxy.call"},
				{"com.sun.proxy.jdk.proxy1.$Proxy0.call", "com.sun.proxy.jdk.proxy.$Proxy.call"},
				{"jdk.MHProxy3.$MHProxy.call", "jdk.MHProxy.$MHProxy.call"},
			},
			Apart: []string{"app.jdk.proxy1.Client.call", "app.jdk.proxy2.Client.call"},
		},
		{
			Family: "XSLT", Needs: []string{"die.verwandlung"}, Pattern: `(die\.verwandlung\.(?:GregorSamsa|template))[0-9]+` + endPart, Keep: "$1$2",
			Why:      "a counter",
			Examples: []NameExample{{"die.verwandlung.GregorSamsa12.applyTemplates", "die.verwandlung.GregorSamsa.applyTemplates"}},
		},
		{
			Family: "Nashorn", Needs: []string{"nashorn"}, Pattern: `(nashorn\.internal\.scripts\.Script(?:\$Recompilation)?)\$[0-9]+` + endPart, Keep: "$1$2",
			Why:      "a counter",
			Examples: []NameExample{{"jdk.nashorn.internal.scripts.Script$12$rules.f", "jdk.nashorn.internal.scripts.Script$rules.f"}},
		},
	}
}

// proxyNames are of classes that libraries generate around classes of a user.
func proxyNames() []NameRule {
	return []NameRule{
		{
			Family: "CGLIB and Guice", Needs: []string{"By"}, Pattern: `(\$\$[A-Z][A-Za-z]*By[A-Z][A-Za-z]*)\$\$[0-9a-f]+(?:_[0-9]+)?` + end, Keep: "$1$2",
			Why: "a hash of the class loader's state",
			Examples: []NameExample{
				{"app.Service$$EnhancerBySpringCGLIB$$a1b2c3d4.call", "app.Service$$EnhancerBySpringCGLIB.call"},
				{"app.Service$$FastClassBySpringCGLIB$$a1b2c3d4.invoke", "app.Service$$FastClassBySpringCGLIB.invoke"},
				{"net.sf.Key$$KeyFactoryByCGLIB$$552be97a_2.hashCode", "net.sf.Key$$KeyFactoryByCGLIB.hashCode"},
				{"app.Service$$EnhancerByGuice$$46798741.call", "app.Service$$EnhancerByGuice.call"},
			},
			Apart: []string{"app.OrderService$$SpringCGLIB$$0.place", "app.SortedBy$$a1.run", "app.SortedBy$$b2.run"},
		},
		{
			Family: "methods of CGLIB", Needs: []string{".CGLIB$"}, Pattern: `(\.CGLIB\$[A-Za-z_][A-Za-z_0-9]*)\$[0-9]+($)`, Keep: "$1$2",
			Why:      "the place among the methods, which reflection lists in any order",
			Examples: []NameExample{{"app.Service$$EnhancerBySpringCGLIB.CGLIB$place$12", "app.Service$$EnhancerBySpringCGLIB.CGLIB$place"}},
			Apart:    []string{"app.Service$$EnhancerBySpringCGLIB.CGLIB$SET_THREAD_CALLBACKS"},
		},
		{
			Family: "Byte Buddy", Random: true, Needs: []string{"$ByteBuddy$", "$auxiliary$"}, Pattern: `(\$(?:ByteBuddy|auxiliary))\$(` + random + `)` + endPart, Keep: "$1$3",
			Why: "8 random letters and digits, unless they read like a word",
			Examples: []NameExample{
				{"app.Service$ByteBuddy$x7Yz1a2B.call", "app.Service$ByteBuddy.call"},
				{"app.Service$ByteBuddy$x7Yz1a2B$auxiliary$Q2wErtY9.call", "app.Service$ByteBuddy$auxiliary.call"},
				{"app.Service$ByteBuddy$aBcDeFgH.call", "app.Service$ByteBuddy.call"},
			},
			Apart: []string{
				"app.Agent$ByteBuddy$ModuleSupport.run", "app.Agent$ByteBuddy$Interceptors.run", "app.Agent$auxiliary$Handler.run", "app.Agent$auxiliary$Session.run",
				"app.Agent$auxiliary$Resource.run", "app.Agent$auxiliary$Handler1.run", "app.Agent$auxiliary$Handler2.run",
			},
		},
		{
			Family: "Hibernate", Random: true, Needs: []string{"$Hibernate"}, Pattern: `(\$Hibernate(?:Proxy|BasicProxy|Instantiator|AccessOptimizer))\$(` + random + `)` + endPart, Keep: "$1$3",
			Why: "8 random letters and digits, unless they read like a word",
			Examples: []NameExample{
				{"app.Entity$HibernateProxy$x7Yz1a2B.get", "app.Entity$HibernateProxy.get"},
				{"app.Entity$HibernateInstantiator$Ab3dEf9h.instantiate", "app.Entity$HibernateInstantiator.instantiate"},
			},
			Apart: []string{"app.Entity$HibernateProxy.get", "app.Entity$HibernateProxy$Listener.get", "app.Entity$HibernateProxy$Resolver.get"},
		},
		{
			Family: "Mockito", Needs: []string{"$MockitoMock"}, Pattern: `(\$MockitoMock)\$[0-9]+` + endPart, Keep: "$1$2",
			Why: "a random number",
			Examples: []NameExample{
				{"app.Service$MockitoMock$1829374650.call", "app.Service$MockitoMock.call"},
				{"app.Service$MockitoMock$18$auxiliary$Q2wErtY9.call", "app.Service$MockitoMock$auxiliary.call"},
			},
			Apart: []string{"app.Service$MockitoMockFactory.call"},
		},
		{
			Family: "Javassist", Needs: []string{"_$$_"}, Pattern: `(_\$\$_(?:jvst|javassist(?:_[a-z]+)?))[0-9a-f]{0,3}_[0-9a-f]+` + endPart, Keep: "$1$2",
			Why: "a hash and a counter",
			Examples: []NameExample{
				{"app.Entity_$$_jvst4a2_1f.get", "app.Entity_$$_jvst.get"},
				{"app.Entity_$$_javassist_12.get", "app.Entity_$$_javassist.get"},
			},
			Apart: []string{"app.Bean$Proxy$_$$_WeldClientProxy.get", "app.Bean$Proxy$_$$_WeldSubclass.get"},
		},
		{
			Family: "views of EJB", Needs: []string{"$$$view"}, Pattern: `(\$\$\$view)[0-9]+` + end, Keep: "$1$2",
			Why:      "a counter",
			Examples: []NameExample{{"app.Bean$$$view12.get", "app.Bean$$$view.get"}},
		},
		{
			Family: "Spring expressions", Needs: []string{"spel.Ex"}, Pattern: `(^spel\.Ex)[0-9]+` + end, Keep: "$1$2",
			Why:      "a counter",
			Examples: []NameExample{{"spel.Ex12.getValue", "spel.Ex.getValue"}},
			Apart:    []string{"app.spel.Ex1.run", "app.spel.Ex2.run"},
		},
	}
}

// languageNames are of classes that compilers in a running program generate.
func languageNames() []NameRule {
	return []NameRule{
		{
			Family: "Clojure", Needs: []string{"__"}, Pattern: `(\$[A-Za-z_][A-Za-z0-9_]*?__)[0-9]{2,}` + endPart, Keep: "$1$2",
			Why: "a counter of what was loaded before",
			Examples: []NameExample{
				{"shop.core$handler$fn__1234.invoke", "shop.core$handler$fn__.invoke"},
				{"shop.core$start_BANG___5678.doInvoke", "shop.core$start_BANG___.doInvoke"},
				{"shop.core$reify__91011.run", "shop.core$reify__.run"},
				{"clojure.core$map$fn__5587$fn__5588.invoke", "clojure.core$map$fn__$fn__.invoke"},
			},
			Apart: []string{"app.Config$v__1.get", "app.Config$v__2.get", "app.Config__12.get", "app.Config__13.get"},
		},
		{
			Family: "evaluated Clojure", Needs: []string{"$eval"}, Pattern: `(\$eval)[0-9]+` + endPart, Keep: "$1$2",
			Why:      "a counter",
			Examples: []NameExample{{"user$eval1234$fn__1235.invoke", "user$eval$fn__.invoke"}},
			Apart:    []string{"app.Tool$evaluate.run"},
		},
		{
			Family: "Groovy", Needs: []string{"cript"}, Pattern: `^(?:(Script)[0-9]+|(script)[0-9]{14,})` + endPart, Keep: "$1$2$3",
			Why: "a counter, or the time and a hash",
			Examples: []NameExample{
				{"Script12.run", "Script.run"},
				{"Script3$_run_closure1.doCall", "Script$_run_closure1.doCall"},
				{"script17000000000001829374650.run", "script.run"},
			},
			Apart: []string{"app.Script1.run", "app.Script2.run", "Script1Test.run", "Script2Test.run", "app.Foo$_bar_closure1.doCall", "app.Foo$_bar_closure2.doCall"},
		},
		{
			Family: "Scala and Spark shells", Needs: []string{"$line"}, Pattern: `((?:^|\.)\$line)[0-9]+(\.)`, Keep: "$1$2",
			Why:      "a counter of lines",
			Examples: []NameExample{{"$line14.$read$$iw$$iw$Foo.bar", "$line.$read$$iw$$iw$Foo.bar"}},
			Apart:    []string{"app.Foo.$anonfun$bar$1", "app.Foo.$anonfun$bar$2", "app.Foo$$anon$1.run", "app.Foo$$anon$2.run"},
		},
		{
			Family: "Spark", Needs: []string{"CodegenStage"}, Pattern: `(\.GeneratedClass\$GeneratedIteratorForCodegenStage)[0-9]+` + endPart, Keep: "$1$2",
			Why: "a counter of the stages of a query",
			Examples: []NameExample{{
				"org.apache.spark.sql.catalyst.expressions.GeneratedClass$GeneratedIteratorForCodegenStage12.processNext",
				"org.apache.spark.sql.catalyst.expressions.GeneratedClass$GeneratedIteratorForCodegenStage.processNext",
			}},
			Apart: []string{"org.apache.spark.sql.catalyst.expressions.GeneratedClass$SpecificUnsafeProjection.apply"},
		},
		{
			Family: "Flink", Needs: []string{"$"}, Pattern: `^(` + flinkClasses + `)\$[0-9]+` + endPart, Keep: "$1$2",
			Why: "a counter of generated classes",
			Examples: []NameExample{
				{"StreamExecCalc$123.processElement", "StreamExecCalc.processElement"},
				{"BatchExecCalc$7.processElement", "BatchExecCalc.processElement"},
				{"GroupAggsHandler$45.accumulate", "GroupAggsHandler.accumulate"},
				{"JoinConditionFunction$3.apply", "JoinConditionFunction.apply"},
			},
			Apart: []string{"StreamExecutor$1.run", "StreamExecutor$2.run", "app.StreamExecCalc$1.run", "app.StreamExecCalc$2.run"},
		},
		{
			Family: "Trino and Presto", Needs: []string{".$gen."}, Pattern: `(\.\$gen\.[A-Za-z]\w*?)_[0-9]{8}_[0-9]{6}_\w*` + endPart, Keep: "$1$2",
			Why: "the query, the time and a counter",
			Examples: []NameExample{
				{"io.trino.$gen.PageProcessor_20240101_123456_42.process", "io.trino.$gen.PageProcessor.process"},
				{"com.facebook.$gen.PageFilter_20230101_123456_00012_abcde_20230101_123457_7.filter", "com.facebook.$gen.PageFilter.filter"},
			},
			Apart: []string{"io.trino.$gen.Values.get"},
		},
		{
			Family: "Drools", Needs: []string{"Rules", "DomainClassesMetadata"}, Pattern: start + `(Rules|DomainClassesMetadata)[0-9a-f]{32}(_|$|[.\[$])`, Keep: "$1$2$3",
			Why: "a random id of the package's model",
			Examples: []NameExample{{
				"rules.Rulesc26a6f3d84904fddaf5e0cf44568a587_rule_InferName.rule_InferName", "rules.Rules_rule_InferName.rule_InferName",
			}},
			Apart: []string{"rules.Rule_Discount1596563427.defaultConsequence", "rules.Rule_Tax1829374650.defaultConsequence"},
		},
		{
			Family: "MVEL", Needs: []string{"ASMAccessorImpl_"}, Pattern: `(^ASMAccessorImpl)_[0-9_]+` + end, Keep: "$1$2",
			Why:      "a hash, the time and a random number",
			Examples: []NameExample{{"ASMAccessorImpl_186370029417000000000012.getValue", "ASMAccessorImpl.getValue"}},
			Apart:    []string{"app.ASMAccessorImpl_1.get", "app.ASMAccessorImpl_2.get"},
		},
		{
			Family: "JasperReports", Needs: []string{"_1"}, Pattern: `^([A-Za-z]\w*?)_1[0-9]{12}_[0-9]{1,7}(_\w+)?` + endPart, Keep: "$1$2$3",
			Why: "the time and a random number",
			Examples: []NameExample{
				{"Invoice_1700000000000_123456.evaluate", "Invoice.evaluate"},
				{"Invoice_1700000000000_123456_Lines.evaluate", "Invoice_Lines.evaluate"},
			},
			Apart: []string{"Invoice_2023_1.get", "Invoice_2023_2.get", "app.Invoice_1700000000000_1.get", "app.Invoice_1700000000000_2.get"},
		},
		{
			Family: "pages of Jasper",
			Why:    "nothing: they are named after their files",
			Apart:  []string{"org.apache.jsp.order_jsp._jspService", "org.apache.jsp.cart_002dview_jsp._jspService"},
		},
		{
			Family: "Kotlin",
			Why:    "nothing: the compiler names them, and lambdas are those of the JDK",
			Apart:  []string{"app.Foo$bar$1.invokeSuspend", "app.Foo$bar$2.invokeSuspend", "app.FooKt$main$1.invoke"},
		},
	}
}
