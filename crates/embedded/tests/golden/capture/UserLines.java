import io.pravega.shared.security.crypto.StrongPasswordProcessor;

/** Prints the lines of a user file, the passwords hashed by Pravega's own class. */
public class UserLines {
    public static void main(String[] args) throws Exception {
        System.out.println("# Made by tests/golden/capture/UserLines.java; each password is the user's name and \"-p\u00e4ss:w\u00f6rd\".");
        line("admin", "prn::*,READ_UPDATE;");
        line("reader", "prn::/scope:sales/*,READ;prn::/scope:sales,READ");
        line("writer", "prn::/scope:sales/stream:audit,NONE;prn::/scope:sales/stream:*,READ_UPDATE;;prn::/scope:sales,READ;");
        line("either", "prn::/scope:(north|south),READ_UPDATE;");
        line("dotted", "prn::/scope:nor.*,READ;prn::/scope:south.*,READ;");
        line("nobody", "");
    }

    private static void line(String user, String entries) throws Exception {
        String hash = StrongPasswordProcessor.builder().build().encryptPassword(user + "-p\u00e4ss:w\u00f6rd");
        System.out.println(user + ":" + hash + ":" + entries);
    }
}
