import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import jdk.jfr.consumer.RecordedClass;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedMethod;
import jdk.jfr.consumer.RecordedStackTrace;
import jdk.jfr.consumer.RecordingFile;

/**
 * Counts the samples of recordings with the JDK's own reader, by what
 * async-profiler's documentation says of its events, and prints a line for each
 * stack of each recording: file, type, events, count, value, and the frames, root
 * first, each with its kind. Arguments: nanoseconds per CPU sample, threshold of
 * locks in nanoseconds, recordings.
 */
public class Recount {
    static final class Sum { long events, count, value; }

    final long interval, threshold;
    final Map<String, Sum> sums = new TreeMap<>();
    /** What the beginning of a recording says of the allocations in it. */
    long allocInterval;
    int java;

    Recount(long interval, long threshold) { this.interval = interval; this.threshold = threshold; }

    public static void main(String[] args) throws IOException {
        for (int i = 2; i < args.length; i++) {
            Recount recount = new Recount(Long.parseLong(args[0]), Long.parseLong(args[1]));
            try (RecordingFile file = new RecordingFile(Path.of(args[i]))) {
                while (file.hasMoreEvents()) { recount.event(file.readEvent()); }
            }
            for (Map.Entry<String, Sum> e : recount.sums.entrySet()) {
                Sum s = e.getValue();
                System.out.println(args[i] + "\t" + s.events + "\t" + s.count + "\t" + s.value + "\t" + e.getKey());
            }
        }
    }

    void event(RecordedEvent e) {
        switch (e.getEventType().getName()) {
            case "jdk.ExecutionSample":
                add("cpu", e, null, 1, interval);
                break;
            case "jdk.ActiveSetting":
                if (e.getString("name").equals("alloc")) { allocInterval = Long.parseLong(e.getString("value")); }
                break;
            case "jdk.JVMInformation":
                java = Runtime.Version.parse(e.getString("jvmVersion")).feature();
                break;
            case "jdk.ObjectAllocationInNewTLAB":
                add("alloc", e, e.getClass("objectClass"), 1, allocated(e.getLong("allocationSize")));
                break;
            case "jdk.ObjectAllocationOutsideTLAB":
                add("alloc", e, e.getClass("objectClass"), 1, e.getLong("allocationSize"));
                break;
            case "jdk.JavaMonitorEnter":
                contention(e, e.getClass("monitorClass"));
                break;
            case "jdk.ThreadPark":
                contention(e, e.getClass("parkedClass"));
                break;
            default:
        }
    }

    /**
     * The JVM lets pass a number of bytes that is exponentially distributed. Before
     * Java 16 that number, where it exceeds the sampled object, counts from within it.
     */
    long allocated(long size) {
        double passed = Math.exp(-(double) size / allocInterval), taken = -Math.expm1(-(double) size / allocInterval);
        double share = java < 16 ? taken / (taken + passed * passed) : taken;
        return Math.round(size / share);
    }

    /** An event is emitted when the waits add up to the threshold, and has the last of them. */
    void contention(RecordedEvent e, RecordedClass of) {
        long nanos = e.getDuration().toNanos();
        if (nanos >= threshold) {
            add("lock", e, of, 1, nanos);
            return;
        }
        long wait = Math.max(nanos, 1000);
        add("lock", e, of, Math.max(1, (threshold + wait / 2) / wait), threshold);
    }

    void add(String type, RecordedEvent e, RecordedClass of, long count, long value) {
        Sum sum = sums.computeIfAbsent(type + "\t" + stack(e.getStackTrace(), of), k -> new Sum());
        sum.events++;
        sum.count += count;
        sum.value += value;
    }

    static String stack(RecordedStackTrace trace, RecordedClass of) {
        StringJoiner names = new StringJoiner(";");
        if (trace != null) {
            List<RecordedFrame> frames = trace.getFrames();
            for (int i = frames.size() - 1; i >= 0; i--) { names.add(name(frames.get(i))); }
        }
        if (of != null) { names.add(className(of) + " class"); }
        return names.toString();
    }

    static String name(RecordedFrame frame) {
        RecordedMethod method = frame.getMethod();
        String kind = frame.getType();
        switch (kind) {
            case "Native": return method.getName() + " native";
            case "C++": return method.getName() + " cpp";
            case "Kernel": return method.getName() + " kernel";
            default:
        }
        String type = method.getType() == null ? "" : method.getType().getName();
        return (type.isEmpty() ? "" : type + ".") + method.getName() + " java";
    }

    /** The reader gives arrays as descriptors. */
    static String className(RecordedClass of) {
        String name = of.getName();
        int depth = 0;
        while (name.charAt(depth) == '[') { depth++; }
        if (depth == 0) { return name; }
        String element = name.substring(depth);
        switch (element) {
            case "B": element = "byte"; break;
            case "C": element = "char"; break;
            case "S": element = "short"; break;
            case "I": element = "int"; break;
            case "J": element = "long"; break;
            case "Z": element = "boolean"; break;
            case "F": element = "float"; break;
            case "D": element = "double"; break;
            default: element = element.substring(1, element.length() - 1);
        }
        return element + "[]".repeat(depth);
    }
}
