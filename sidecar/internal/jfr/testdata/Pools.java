import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Two pools of two threads each run the same method and allocate, one three times as
 * much as the other. At the end it prints for each pool the CPU ns and the bytes that
 * the JVM counted.
 */
public class Pools {
    static volatile long sink;
    static volatile Object object;
    static final ThreadMXBean CPU = ManagementFactory.getThreadMXBean();

    static final class Pool {
        final ExecutorService executor;
        final AtomicLong nanos = new AtomicLong(), bytes = new AtomicLong();

        Pool(String name) {
            AtomicInteger number = new AtomicInteger();
            executor = Executors.newFixedThreadPool(2, task -> new Thread(task, name + number.incrementAndGet()));
        }

        Future<?> submit() { return executor.submit(this::request); }

        void request() {
            long before = CPU.getCurrentThreadCpuTime();
            long x = before;
            for (int i = 0; i < 10_000_000; i++) { x = x * 6364136223846793005L + 1442695040888963407L; x ^= x >>> 17; }
            sink += x;
            for (int i = 0; i < 4_000; i++) { object = new byte[2032]; }
            bytes.addAndGet(4_000 * 2048L);
            nanos.addAndGet(CPU.getCurrentThreadCpuTime() - before);
        }
    }

    public static void main(String[] args) throws Exception {
        Pool much = new Pool("http-nio-8080-exec-"), little = new Pool("worker-");
        for (int round = Integer.parseInt(args[0]); round > 0; round--) {
            List<Future<?>> all = new ArrayList<>(List.of(much.submit(), much.submit(), much.submit(), little.submit()));
            for (Future<?> one : all) { one.get(); }
        }
        much.executor.shutdown();
        little.executor.shutdown();
        System.out.println(much.nanos + " " + much.bytes + " " + little.nanos + " " + little.bytes);
    }
}
