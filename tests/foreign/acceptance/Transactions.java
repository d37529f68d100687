package acceptance;

import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.Transaction;
import io.pravega.client.stream.TransactionalEventStreamWriter;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;

/** Events that appear together or not at all. */
final class Transactions {
    private Transactions() {}

    static void commitAndAbort(Trial trial) throws Exception {
        trial.create("stream", 2);
        List<String> first = Keyed.numbered(Keyed.KEYS, 10, 5);
        List<String> second = Keyed.numbered(Keyed.KEYS, 15, 5);
        try (TransactionalEventStreamWriter<String> writer = writer(trial)) {
            Transaction<String> committed = begin(writer, first);
            Transaction<String> later = begin(writer, second);
            Transaction<String> aborted = begin(writer, Keyed.numbered(Keyed.KEYS, 90, 5));
            trial.report("open", committed.checkStatus());
            committed.flush();
            trial.check("nothing is read before", BatchReads.everything(trial, "stream").isEmpty());
            List<String> written = new ArrayList<>(Keyed.numbered(Keyed.KEYS, 0, 5));
            Keyed.write(trial, "stream", written);
            aborted.abort();
            trial.report("aborted", settled(aborted::checkStatus));
            commit(trial, committed);
            commit(trial, later);
            written.addAll(first);
            written.addAll(second);
            List<String> read = Keyed.read(trial, "group", Keyed.everything(trial, "stream"), written.size());
            trial.check("what is committed is read in the order of the commits", Keyed.same(read, written));
            trial.report("tail", Trial.offsets(trial.tail("stream")));
            refusals(trial, writer, committed, aborted);
        }
        byAnother(trial);
    }

    private static void refusals(
            Trial trial,
            TransactionalEventStreamWriter<String> writer,
            Transaction<String> committed,
            Transaction<String> aborted) {
        trial.refused("commit what is aborted", () -> commit(trial, aborted));
        trial.refused("write to what is aborted", () -> write(aborted));
        trial.refused("write to what is committed", () -> write(committed));
        Transaction<String> abortedAgain = writer.getTxn(aborted.getTxnId());
        trial.report("aborted, by its id", abortedAgain.checkStatus());
        trial.refused("commit it by its id", () -> commit(trial, abortedAgain));
        trial.report("committed, by its id", writer.getTxn(committed.getTxnId()).checkStatus());
        trial.refused("get an unknown one", () -> writer.getTxn(new UUID(7, 7)));
    }

    private static void byAnother(Trial trial) throws Exception {
        trial.create("other", 1);
        List<String> written = Keyed.numbered(Keyed.KEYS, 0, 2);
        try (TransactionalEventStreamWriter<String> one = writer(trial, "other");
                TransactionalEventStreamWriter<String> two = writer(trial, "other")) {
            Transaction<String> begun = begin(one, written.subList(0, 8));
            begun.flush();
            Transaction<String> taken = two.getTxn(begun.getTxnId());
            for (String event : written.subList(8, 16)) {
                taken.writeEvent(Keyed.key(event), event);
            }
            commit(trial, taken);
            trial.report("seen by who began it", begun.checkStatus());
        }
        List<String> read = BatchReads.everything(trial, "other");
        trial.check("two writers fill one transaction", Keyed.same(read, written));
    }

    static void seal(Trial trial) throws Exception {
        trial.create("stream", 1);
        try (TransactionalEventStreamWriter<String> writer = writer(trial)) {
            Transaction<String> open = begin(writer, Keyed.numbered(Keyed.KEYS, 0, 1));
            open.flush();
            trial.check("the stream is sealed", trial.streams.sealStream(trial.scope, "stream"));
            trial.report("what was open", settled(open::checkStatus));
            trial.refused("commit it", () -> commit(trial, open));
        }
        trial.check("nothing of it is there", BatchReads.everything(trial, "stream").isEmpty());
    }

    /** A commit after a scale creates two more epochs: duplicates of the transaction's epoch and of the latest one. */
    static void scale(Trial trial) throws Exception {
        trial.create("stream", 1);
        List<String> before = Keyed.numbered(Keyed.KEYS, 0, 5);
        List<String> after = Keyed.numbered(Keyed.KEYS, 5, 5);
        List<String> inTransaction = Keyed.numbered(Keyed.KEYS, 10, 5);
        List<String> last = Keyed.numbered(Keyed.KEYS, 15, 5);
        try (Control control = new Control(trial);
                TransactionalEventStreamWriter<String> writer = writer(trial)) {
            Keyed.write(trial, "stream", before);
            Transaction<String> transaction = begin(writer, inTransaction);
            trial.check("scaled to two", control.scale("stream", 2));
            Keyed.write(trial, "stream", after);
            trial.report("segments", control.segments("stream"));
            commit(trial, transaction);
            trial.report("segments after the commit", control.segments("stream"));
            Keyed.write(trial, "stream", last);
        }
        List<String> written = new ArrayList<>(before);
        written.addAll(after);
        written.addAll(inTransaction);
        written.addAll(last);
        trial.check("all of it is there", Keyed.same(BatchReads.everything(trial, "stream"), written));
        List<String> read = Keyed.read(trial, "group", Keyed.everything(trial, "stream"), written.size());
        trial.check("and is read in order", Keyed.same(read, written));
    }

    /** No one pings for a closed writer. */
    static void lease(Trial trial) throws Exception {
        trial.create("stream", 1);
        EventWriterConfig brief = EventWriterConfig.builder().transactionTimeoutTime(10_000).build();
        UUID abandoned;
        try (TransactionalEventStreamWriter<String> writer =
                trial.clients.createTransactionalEventWriter("stream", new UTF8StringSerializer(), brief)) {
            abandoned = begin(writer, Keyed.numbered(Keyed.KEYS, 0, 1)).getTxnId();
        }
        try (Control control = new Control(trial)) {
            Callable<Transaction.Status> status =
                    () -> control.controller.checkTransactionStatus(trial.stream("stream"), abandoned).get();
            trial.report("at first", status.call());
            trial.report("in the end", settled(status));
        }
        trial.check("nothing of it is there", BatchReads.everything(trial, "stream").isEmpty());
    }

    private static TransactionalEventStreamWriter<String> writer(Trial trial) {
        return writer(trial, "stream");
    }

    private static TransactionalEventStreamWriter<String> writer(Trial trial, String stream) {
        return trial.clients.createTransactionalEventWriter(
                stream, new UTF8StringSerializer(), EventWriterConfig.builder().build());
    }

    private static Transaction<String> begin(TransactionalEventStreamWriter<String> writer, List<String> events)
            throws Exception {
        Transaction<String> transaction = writer.beginTxn();
        for (String event : events) {
            transaction.writeEvent(Keyed.key(event), event);
        }
        return transaction;
    }

    private static String write(Transaction<String> transaction) throws Exception {
        transaction.writeEvent("a", "a:0");
        transaction.flush();
        return "written";
    }

    /** The call returns before readers can see what is committed. */
    private static String commit(Trial trial, Transaction<String> transaction) throws Exception {
        transaction.commit();
        trial.report("committed", settled(transaction::checkStatus));
        return "committed";
    }

    private static Transaction.Status settled(Callable<Transaction.Status> status) throws Exception {
        Transaction.Status now = status.call();
        while (now != Transaction.Status.COMMITTED && now != Transaction.Status.ABORTED) {
            Thread.sleep(20);
            now = status.call();
        }
        return now;
    }
}
