import java.util.concurrent.locks.ReentrantLock;
/**
 * A load that is hard on a profiler inside the JVM: 32 threads that allocate and
 * wait for locks, and threads that start and end all the time. Arguments:
 * threads that allocate and lock, threads that are started each second.
 */
public class Stress {
    static volatile Object object;
    static volatile long sink;
    static final ReentrantLock[] LOCKS = new ReentrantLock[8];
    static void work(int i) throws Exception {
        ReentrantLock lock = LOCKS[i % LOCKS.length];
        lock.lock();
        try { object = new byte[(i % 64) * 128 + 16]; } finally { lock.unlock(); }
        synchronized (LOCKS[(i + 1) % LOCKS.length]) { object = new int[i % 32]; }
    }
    static void burn() { long x = sink; for (int i = 0; i < 2000; i++) x = x * 31 + i; sink = x; object = new byte[64]; }
    public static void main(String[] args) throws Exception {
        for (int i = 0; i < LOCKS.length; i++) LOCKS[i] = new ReentrantLock();
        for (int n = 0; n < Integer.parseInt(args[0]); n++) {
            int first = n;
            Thread t = new Thread(() -> { try { for (int i = first; ; i++) { work(i); if (i % 256 == 0) Thread.sleep(1); } } catch (Exception e) { throw new RuntimeException(e); } }, "stress-" + n);
            t.setDaemon(true);
            t.start();
        }
        System.out.println("running");
        int perSecond = Integer.parseInt(args[1]);
        if (perSecond == 0) Thread.sleep(Long.MAX_VALUE);
        long begin = System.nanoTime();
        for (long n = 0; ; n++) {
            new Thread(Stress::burn, "short-" + n).start();
            long due = begin + n * 1_000_000_000L / perSecond, now = System.nanoTime();
            if (due > now) Thread.sleep((due - now) / 1_000_000, (int) ((due - now) % 1_000_000));
        }
    }
}
