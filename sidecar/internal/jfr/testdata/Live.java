/** Allocates objects of one size and keeps one in four of them for good. */
public class Live {
    static final int SIZE = 8192;
    static byte[][] kept;
    static volatile byte[] last;

    static void keep(int i) {
        kept[i] = new byte[SIZE];
    }

    static void drop() {
        last = new byte[SIZE];
    }

    public static void main(String[] args) {
        int objects = Integer.parseInt(args[0]);
        kept = new byte[objects / 4][];
        for (int i = 0; i < objects; i++) {
            if (i % 4 == 0) {
                keep(i / 4);
            } else {
                drop();
            }
        }
        last = null;
        System.gc();
        System.out.println(kept.length);
    }
}
