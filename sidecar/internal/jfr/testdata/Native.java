import java.nio.ByteBuffer;

/** Allocates native memory in two methods, 3 to 1, and has native threads wait for each other. */
public class Native {
    static volatile ByteBuffer last;

    static native long contend(int rounds);

    static void much() { last = ByteBuffer.allocateDirect(48 << 10); }
    static void little() { last = ByteBuffer.allocateDirect(16 << 10); }

    /** Prints the bytes of both, and for how many ns threads waited. */
    public static void main(String[] args) {
        int rounds = Integer.parseInt(args[1]);
        for (int i = 0; i < rounds; i++) {
            much();
            little();
        }
        System.load(args[0]);
        System.out.println((long) rounds * (48 << 10) + " " + (long) rounds * (16 << 10) + " " + contend(Integer.parseInt(args[2])));
    }
}
