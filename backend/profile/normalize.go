package profile

import (
	"regexp"
	"strings"
)

// generated matches the parts of Java names that differ from one run to the
// next. Each alternative keeps its first group and loses the rest:
//
//	Foo$$Lambda$14.0x00007f8177090218.run     →  Foo$$Lambda.run
//	Foo$$Lambda+0x00007f8177090218/543846639  →  Foo$$Lambda
//	LambdaForm$MH.0x00007fe950002c00.invoke   →  LambdaForm$MH.invoke
//	GeneratedMethodAccessor12.invoke          →  GeneratedMethodAccessor.invoke
//	com.sun.proxy.$Proxy31.call               →  com.sun.proxy.$Proxy.call
//	Foo$$EnhancerBySpringCGLIB$$a1b2c3d4.call →  Foo$$EnhancerBySpringCGLIB.call
//	Foo$HibernateProxy$x7Yz1a2B.get           →  Foo$HibernateProxy.get
func generated() *regexp.Regexp {
	return regexp.MustCompile(
		`(\$\$Lambda)(?:\$\d+)?(?:[.+/]0x[0-9a-fA-F]+)?(?:/\d+)?` +
			`|(LambdaForm\$[A-Za-z]+)(?:\$\d+)?(?:[.+/]0x[0-9a-fA-F]+)?(?:/\d+)?` +
			`|(Generated(?:Method|Constructor|SerializationConstructor)Accessor)\d+` +
			`|(\$Proxy)\d+` +
			`|(\$\$(?:EnhancerBy|FastClassBy)[A-Za-z]+)\$\$[0-9a-f]+` +
			`|(\$(?:HibernateProxy|ByteBuddy|MockitoMock|auxiliary))\$[0-9A-Za-z]{6,}` +
			`|()[.+/]0x[0-9a-fA-F]{8,}(?:/\d+)?`)
}

// Normalizer removes from names what differs between runs of the same program:
// addresses and counters of hidden classes, of lambdas, of generated accessors
// and proxies. It is not safe for concurrent use.
type Normalizer struct{ generated *regexp.Regexp }

// NewNormalizer returns a Normalizer.
func NewNormalizer() *Normalizer { return &Normalizer{generated: generated()} }

// Name returns the normalised name. Normalising twice changes nothing more.
func (n *Normalizer) Name(name string) string {
	if !mayBeGenerated(name) {
		return name
	}
	for {
		next := n.generated.ReplaceAllString(name, "$1$2$3$4$5$6$7")
		if next == name {
			return name
		}
		name = next
	}
}

func mayBeGenerated(name string) bool {
	return strings.Contains(name, "$") || strings.Contains(name, "0x") || strings.Contains(name, "Generated")
}
