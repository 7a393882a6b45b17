import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A thread in a JVM of as many classes as the first argument says. Its stacks go through
 * as many of them as the second says, up to 64 in each: a recording that has sampled it
 * for a while names all of these. After the seconds of the third argument it stays with
 * one stack. The classes are proxies of one loader: another list of interfaces makes
 * another class. When the thread has not run for a while it prints from when to when.
 */
public class Classes {
    static final int DEEP = 64;
    static final int STRIDE = 37; // has no divisor in common with round numbers of classes
    static final long WORK_NS = 125_000;
    static final long STOP_NS = 500_000;
    static volatile Object result;
    static long ran;

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
        int seen = Integer.parseInt(args[1]);
        ran = System.nanoTime();
        long calm = ran + Integer.parseInt(args[2]) * 1_000_000_000L;
        for (int i = 0; ; i = ran < calm ? (i + STRIDE) % seen : 0) { calls[i].run(); }
    }

    static void work() {
        for (long end = System.nanoTime() + WORK_NS; ran < end; result = new byte[1024]) {
            long now = System.nanoTime();
            if (now - ran > STOP_NS) { System.out.println(ran + " " + now); }
            ran = now;
        }
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
