/**
 * Allocates about as many bytes in objects of each of some sizes, one method a
 * size, and prints for each how many. Arguments: whether the sizes come one after
 * another (apart) or take turns (mixed), bytes of each, interval of the profiler.
 */
public class Allocations {
    static volatile Object object;

    static void tiny(int n) { object = new byte[n]; }
    static void sixtyFourth(int n) { object = new byte[n]; }
    static void eighth(int n) { object = new byte[n]; }
    static void half(int n) { object = new byte[n]; }
    static void once(int n) { object = new byte[n]; }
    static void twice(int n) { object = new byte[n]; }

    static void allocate(int which, int length) {
        switch (which) {
            case 0: tiny(length); break;
            case 1: sixtyFourth(length); break;
            case 2: eighth(length); break;
            case 3: half(length); break;
            case 4: once(length); break;
            default: twice(length);
        }
    }

    public static void main(String[] args) {
        boolean mixed = args[0].equals("mixed");
        long bytes = Long.parseLong(args[1]);
        int interval = Integer.parseInt(args[2]), header = 16;
        int[] sizes = {64, interval / 64, interval / 8, interval / 2, interval, 2 * interval};
        long[] sums = new long[sizes.length];
        if (mixed) {
            for (long left = bytes; left > 0; left -= 2L * interval) {
                for (int i = 0; i < sizes.length; i++) {
                    for (int done = 0; done < 2 * interval; done += sizes[i]) { allocate(i, sizes[i] - header); sums[i] += sizes[i]; }
                }
            }
        } else {
            for (int i = 0; i < sizes.length; i++) {
                for (; sums[i] < bytes; sums[i] += sizes[i]) { allocate(i, sizes[i] - header); }
            }
        }
        for (long sum : sums) { System.out.print(sum + " "); }
        System.out.println();
    }
}
