import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A thread that allocates, as a service does that makes texts and maps of requests,
 * and reads each text as many times as the argument says. Every few milliseconds it
 * prints the time, the units of work done, the CPU ns that it has used for them, and
 * the bytes allocated.
 */
public class Units {
    static final long EVERY_NS = 4_000_000;
    static volatile Object result;
    static volatile int checksum;

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

    static int read(String text, int times) {
        int sum = 0;
        for (; times > 0; times--) { for (int i = 0; i < text.length(); i++) { sum = 31 * sum + text.charAt(i); } }
        return sum;
    }

    public static void main(String[] args) {
        com.sun.management.ThreadMXBean threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long self = Thread.currentThread().getId();
        int reads = Integer.parseInt(args[0]);
        long units = 0;
        for (long printed = System.nanoTime(); ; ) {
            for (int n = 0; n < 100; n++) {
                String text = answer(request(n));
                checksum = read(text, reads);
                result = text;
            }
            units += 100;
            long now = System.nanoTime();
            if (now - printed < EVERY_NS) { continue; }
            printed = now;
            System.out.println(now + " " + units + " " + threads.getCurrentThreadCpuTime() + " " + threads.getThreadAllocatedBytes(self));
        }
    }
}
