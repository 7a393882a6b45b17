import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A thread whose stacks go through as many classes as the first argument says, 25 in
 * each: a recording that has sampled it for a while names all of them. After the seconds
 * of the second argument it stays with the first 25. The classes are proxies of one
 * loader: another list of interfaces makes another class.
 */
public class Classes {
    static final int DEEP = 25;
    static final long WORK_NS = 1_000_000;
    static volatile Object result;

    public interface A { } public interface B { } public interface C { } public interface D { }
    public interface E { } public interface F { } public interface G { } public interface H { }
    static final Class<?>[] MARKS = {A.class, B.class, C.class, D.class, E.class, F.class, G.class, H.class};

    public static void main(String[] args) {
        List<Class<?>[]> kinds = new ArrayList<>();
        arrange(Integer.parseInt(args[0]), new ArrayList<>(Arrays.asList(Runnable.class)), kinds);
        Runnable[] calls = new Runnable[kinds.size()];
        for (int i = calls.length - 1; i >= 0; i--) {
            Runnable next = i % DEEP == DEEP - 1 || i == calls.length - 1 ? Classes::work : calls[i + 1];
            InvocationHandler handler = (proxy, method, arguments) -> {
                next.run();
                return null;
            };
            calls[i] = (Runnable) Proxy.newProxyInstance(Classes.class.getClassLoader(), kinds.get(i), handler);
        }
        System.out.println("running");
        long calm = System.nanoTime() + Integer.parseInt(args[1]) * 1_000_000_000L;
        for (int i = 0; ; i = i + DEEP < calls.length && System.nanoTime() < calm ? i + DEEP : 0) { calls[i].run(); }
    }

    static void work() {
        for (long end = System.nanoTime() + WORK_NS; System.nanoTime() < end; ) { result = new byte[1024]; }
    }

    /** Adds arrangements of marks behind those that are there, until there are enough. */
    static void arrange(int enough, List<Class<?>> begun, List<Class<?>[]> kinds) {
        if (kinds.size() == enough) { return; }
        kinds.add(begun.toArray(new Class<?>[0]));
        for (Class<?> mark : MARKS) {
            if (begun.contains(mark)) { continue; }
            begun.add(mark);
            arrange(enough, begun, kinds);
            begun.remove(begun.size() - 1);
        }
    }
}
