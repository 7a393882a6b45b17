import java.lang.reflect.Proxy;

/**
 * A thread whose stacks go through as many classes as the argument says, 25 in each:
 * a recording that has sampled it for a while names all of them.
 */
public class Classes {
    static final int DEEP = 25;
    static final long WORK_NS = 1_000_000;
    static volatile Object result;

    public static void main(String[] args) {
        Runnable[] calls = new Runnable[Integer.parseInt(args[0])];
        for (int i = calls.length - 1; i >= 0; i--) {
            Runnable next = i % DEEP == DEEP - 1 ? Classes::work : calls[i + 1];
            // A loader of its own makes the proxy's class another one.
            calls[i] = (Runnable) Proxy.newProxyInstance(new ClassLoader() {}, new Class<?>[] {Runnable.class}, (proxy, method, arguments) -> {
                next.run();
                return null;
            });
        }
        System.out.println("running");
        for (int i = 0; ; i = (i + DEEP) % calls.length) { calls[i].run(); }
    }

    static void work() {
        for (long end = System.nanoTime() + WORK_NS; System.nanoTime() < end; ) { result = new byte[1024]; }
    }
}
