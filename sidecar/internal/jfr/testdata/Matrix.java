import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.LongUnaryOperator;

/**
 * The same work on each JDK, in one thread: through a lambda, a method handle, a
 * proxy and by reflection, a quarter of the CPU time each; allocations of 3 to 1;
 * and waits for a monitor. Order and length of the work are random, from one seed:
 * periodic work falls into step with the profiler's timer. At its end it prints what
 * it used, as it measures it: CPU ns, allocated bytes, ns of waits.
 */
public class Matrix {
    public interface Work { long run(long n); }
    static volatile long sink;
    static volatile Object object;
    static final Object MONITOR = new Object();

    public static long spin(long n) {
        long x = n;
        for (long i = 0; i < n; i++) { x = x * 6364136223846793005L + 1442695040888963407L; x ^= x >>> 17; }
        return x;
    }

    static void throughLambda(LongUnaryOperator f, long n) { sink += f.applyAsLong(n); }
    static void throughHandle(MethodHandle h, long n) throws Throwable { sink += (long) h.invoke(n); }
    static void throughProxy(Work w, long n) { sink += w.run(n); }
    static void throughReflection(Method m, long n) throws Exception { sink += (Long) m.invoke(null, n); }
    static void large() { object = new byte[9_000]; }
    static void small() { object = new byte[3_000]; }

    static long waits() throws Exception {
        long waited = 0;
        for (int i = 0; i < 10; i++) {
            Thread holder = new Thread(() -> { synchronized (MONITOR) { sleep(60); } });
            holder.start();
            sleep(10);
            long before = System.nanoTime();
            synchronized (MONITOR) { waited += System.nanoTime() - before; }
            holder.join();
        }
        return waited;
    }

    static void sleep(long millis) {
        try { Thread.sleep(millis); } catch (InterruptedException e) { throw new RuntimeException(e); }
    }

    public static void main(String[] args) throws Throwable {
        int rounds = Integer.parseInt(args[0]);
        LongUnaryOperator lambda = n -> spin(n);
        MethodHandle handle = MethodHandles.lookup().findStatic(Matrix.class, "spin", MethodType.methodType(long.class, long.class));
        handle = MethodHandles.filterReturnValue(handle, MethodHandles.identity(long.class));
        Work proxy = (Work) Proxy.newProxyInstance(Matrix.class.getClassLoader(), new Class<?>[] {Work.class}, (self, method, values) -> spin((Long) values[0]));
        Method method = Matrix.class.getMethod("spin", long.class);
        com.sun.management.ThreadMXBean threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        long cpu = threads.getCurrentThreadCpuTime();
        Random random = new Random(1);
        List<Integer> ways = Arrays.asList(0, 1, 2, 3);
        for (int i = 0; i < rounds; i++) {
            Collections.shuffle(ways, random);
            long n = 200_000 + random.nextInt(400_000);
            for (int way : ways) {
                switch (way) {
                    case 0: throughLambda(lambda, n); break;
                    case 1: throughHandle(handle, n); break;
                    case 2: throughProxy(proxy, n); break;
                    default: throughReflection(method, n);
                }
            }
        }
        cpu = threads.getCurrentThreadCpuTime() - cpu;
        long bytes = threads.getThreadAllocatedBytes(id);
        for (int i = 0; i < 300_000; i++) { large(); small(); }
        bytes = threads.getThreadAllocatedBytes(id) - bytes;
        System.out.println(cpu + " " + bytes + " " + waits());
    }
}
