import java.util.concurrent.locks.ReentrantLock;

/**
 * A load of everything that is recorded: threads that use CPU time in several
 * stacks, some of them through lambdas; allocations; waits for a monitor and for
 * a lock. It prints one line, when it is running.
 */
public class Load {
    static volatile long sink;
    static volatile Object object;
    static final ReentrantLock LOCK = new ReentrantLock();
    static final Object MONITOR = new Object();

    interface Body { void run() throws Exception; }
    interface Step { long apply(long x); }

    static long spin(int rounds) {
        long x = rounds;
        for (int i = 0; i < rounds; i++) { x = x * 6364136223846793005L + 1442695040888963407L; x ^= x >>> 17; }
        return x;
    }

    static long nest(int depth, Step step) { return depth == 0 ? step.apply(100_000) : nest(depth - 1, step); }

    static void cpu() throws Exception {
        for (int i = 0; ; i++) {
            sink += nest(i % 7, x -> spin((int) x));
            sink += nest(i % 5, x -> spin((int) x / 2));
            Thread.sleep(2);
        }
    }

    static void allocate() throws Exception {
        for (int i = 0; ; i++) {
            object = new byte[20_000];
            object = new long[100];
            object = "text" + i;
            if (i % 32 == 0) { Thread.sleep(2); }
        }
    }

    static void lock() throws Exception { for (;;) { LOCK.lock(); try { Thread.sleep(2); } finally { LOCK.unlock(); } } }
    static void monitor() throws Exception { for (;;) { synchronized (MONITOR) { Thread.sleep(3); } } }

    static void start(String name, int threads, Body body) {
        for (int i = 0; i < threads; i++) {
            Thread t = new Thread(() -> { try { body.run(); } catch (Exception e) { throw new RuntimeException(e); } }, name + "-" + i);
            t.setDaemon(true);
            t.start();
        }
    }

    public static void main(String[] args) throws Exception {
        start("cpu", 1, Load::cpu);
        start("alloc", 1, Load::allocate);
        start("lock", 3, Load::lock);
        start("monitor", 3, Load::monitor);
        System.out.println("running");
        Thread.sleep(Long.MAX_VALUE);
    }
}
