import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A service that gives a profiler as much to write as it can: THREADS (4) threads
 * allocate without end and queue for locks, on 4 to the power of DEPTH call paths;
 * the default (24) is hardly ever the same twice, and in a minute more than the
 * profiler's memory for stacks. PAUSE is the milliseconds that each holds a lock (2).
 */
public class Storm {
    private static final int DEPTH = Work.setting("DEPTH", 24);
    private static final int PAUSE = Work.setting("PAUSE", 2);
    private static final ReentrantLock[] LOCKS = new ReentrantLock[4];
    static volatile Object kept;

    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < LOCKS.length; i++) {
            LOCKS[i] = new ReentrantLock();
        }
        for (int i = 0; i < Work.setting("THREADS", 4); i++) {
            Thread worker = new Thread(Storm::storm, "storm-" + i);
            worker.setDaemon(true);
            worker.start();
        }
        try (ServerSocket server = new ServerSocket(Work.setting("PORT", 8080), 64, InetAddress.getByName("0.0.0.0"))) {
            System.out.println("work: ready");
            while (true) {
                Work.answer(server.accept());
            }
        }
    }

    static void storm() {
        while (true) {
            step(ThreadLocalRandom.current().nextLong(), DEPTH);
        }
    }

    /** Each two bits of the path choose who calls whom. */
    static void step(long path, int depth) {
        if (depth == 0) {
            work(path);
            return;
        }
        switch ((int) (path & 3)) {
            case 0: north(path >>> 2, depth - 1); break;
            case 1: east(path >>> 2, depth - 1); break;
            case 2: south(path >>> 2, depth - 1); break;
            default: west(path >>> 2, depth - 1); break;
        }
    }

    static void north(long path, int depth) { step(path, depth); }

    static void east(long path, int depth) { step(path, depth); }

    static void south(long path, int depth) { step(path, depth); }

    static void west(long path, int depth) { step(path, depth); }

    static void work(long path) {
        for (int i = 0; i < 2000; i++) {
            kept = new byte[1024];
        }
        ReentrantLock lock = LOCKS[(int) (path & 3)];
        lock.lock();
        try {
            Work.pause(PAUSE);
        } finally {
            lock.unlock();
        }
    }
}
