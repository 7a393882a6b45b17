import java.util.concurrent.locks.ReentrantLock;

/**
 * A load of known shape, for tests. Its arguments name the threads to run: cpu
 * (hot and warm use CPU 3 to 1), alloc (big and small allocate bytes 4 to 1),
 * lock (contended ReentrantLock), monitor (contended synchronized), live (keeps
 * one object in four for ten seconds, and drops three before each collection),
 * buffers (allocates native memory).
 * Without arguments it only waits. It prints one line, when it is running.
 */
public class Workload {
    static volatile long sink;
    static volatile Object object;
    static final ReentrantLock LOCK = new ReentrantLock();
    static final Object MONITOR = new Object();

    interface Body { void run() throws Exception; }

    static long spin(int rounds) {
        long x = rounds;
        for (int i = 0; i < rounds; i++) { x = x * 6364136223846793005L + 1442695040888963407L; x ^= x >>> 17; }
        return x;
    }
    static void hot() { sink += spin(300_000); }
    static void warm() { sink += spin(100_000); }
    static void cpu() throws Exception { for (;;) { hot(); warm(); Thread.sleep(5); } }

    static void big() { object = new byte[40_000]; }
    static void small() { object = new byte[1_000]; }
    static void alloc() throws Exception {
        for (int i = 0; ; i++) { big(); for (int k = 0; k < 10; k++) small(); if (i % 16 == 0) Thread.sleep(2); }
    }
    static final Object[] KEPT = new Object[1024];
    static void keep(int i) { KEPT[i % KEPT.length] = new byte[8_000]; }
    static void drop() { object = new byte[8_000]; }
    static void live() throws Exception {
        for (int i = 0; ; i++) {
            keep(i);
            for (int k = 0; k < 3; k++) drop();
            object = null;
            if (i % 20 == 0) System.gc();
            Thread.sleep(10);
        }
    }
    static void buffer() { object = java.nio.ByteBuffer.allocateDirect(16_000); }
    static void buffers() throws Exception { for (;;) { buffer(); Thread.sleep(5); } }
    static void holdLock() throws Exception { LOCK.lock(); try { Thread.sleep(2); } finally { LOCK.unlock(); } }
    static void lock() throws Exception { for (;;) holdLock(); }
    static void holdMonitor() throws Exception { synchronized (MONITOR) { Thread.sleep(3); } }
    static void monitor() throws Exception { for (;;) holdMonitor(); }

    static void start(String name, int threads, Body body) {
        for (int i = 0; i < threads; i++) {
            Thread t = new Thread(() -> { try { body.run(); } catch (Exception e) { throw new RuntimeException(e); } }, name + "-" + i);
            t.setDaemon(true);
            t.start();
        }
    }

    public static void main(String[] args) throws Exception {
        for (String arg : args) {
            switch (arg) {
                case "cpu": start(arg, 1, Workload::cpu); break;
                case "alloc": start(arg, 1, Workload::alloc); break;
                case "lock": start(arg, 3, Workload::lock); break;
                case "live": start(arg, 1, Workload::live); break;
                case "buffers": start(arg, 1, Workload::buffers); break;
                case "monitor": start(arg, 3, Workload::monitor); break;
                default: throw new IllegalArgumentException(arg);
            }
        }
        System.out.println("running");
        Thread.sleep(Long.MAX_VALUE);
    }
}
