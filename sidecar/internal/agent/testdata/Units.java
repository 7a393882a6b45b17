import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Two threads that allocate all the time, as a service does that makes texts and
 * maps of requests. Ten times a second it prints the units of work done, the CPU ns
 * of the process, and the bytes allocated.
 */
public class Units {
    static final AtomicLong UNITS = new AtomicLong();
    static volatile Object result;

    static Map<String, List<String>> request(int n) {
        Map<String, List<String>> byKey = new HashMap<>();
        for (int i = 0; i < 20; i++) { byKey.computeIfAbsent("key" + (n + i) % 7, k -> new ArrayList<>()).add("value " + (n ^ i)); }
        return byKey;
    }

    static String answer(Map<String, List<String>> byKey) {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<String, List<String>> e : byKey.entrySet()) { text.append(e.getKey()).append('=').append(String.join(",", e.getValue())).append('\n'); }
        return text.toString();
    }

    static void serve() {
        for (int n = 0; ; n++) {
            result = answer(request(n));
            if (n % 100 == 0) { UNITS.addAndGet(100); }
        }
    }

    public static void main(String[] args) throws Exception {
        com.sun.management.OperatingSystemMXBean system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        com.sun.management.ThreadMXBean threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long[] ids = new long[2];
        for (int i = 0; i < ids.length; i++) {
            Thread t = new Thread(Units::serve, "serve-" + i);
            t.setDaemon(true);
            t.start();
            ids[i] = t.getId();
        }
        for (;;) {
            long bytes = 0;
            for (long b : threads.getThreadAllocatedBytes(ids)) { bytes += b; }
            System.out.println(UNITS.get() + " " + system.getProcessCpuTime() + " " + bytes);
            Thread.sleep(100);
        }
    }
}
