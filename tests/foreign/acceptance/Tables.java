package acceptance;

import com.google.common.collect.ImmutableList;
import io.pravega.client.KeyValueTableFactory;
import io.pravega.client.admin.KeyValueTableInfo;
import io.pravega.client.admin.KeyValueTableManager;
import io.pravega.client.tables.Insert;
import io.pravega.client.tables.IteratorItem;
import io.pravega.client.tables.KeyValueTable;
import io.pravega.client.tables.KeyValueTableClientConfiguration;
import io.pravega.client.tables.KeyValueTableConfiguration;
import io.pravega.client.tables.KeyValueTableIterator;
import io.pravega.client.tables.Put;
import io.pravega.client.tables.Remove;
import io.pravega.client.tables.TableEntry;
import io.pravega.client.tables.TableKey;
import io.pravega.client.tables.Version;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Key-value tables. */
final class Tables {
    private static final TableKey ONE = key("one-", "0001");
    private static final TableKey SAME_ONE = key("one-", "0002");
    private static final TableKey TWO = key("two-", "0001");

    private Tables() {}

    static void entries(Trial trial) throws Exception {
        try (KeyValueTableManager tables = KeyValueTableManager.create(trial.config);
                KeyValueTableFactory factory = KeyValueTableFactory.withScope(trial.scope, trial.config)) {
            trial.check("it is created", tables.createKeyValueTable(trial.scope, "table", configuration(4)));
            try (KeyValueTable table = open(factory)) {
                put(trial, table);
                together(trial, table);
                remove(trial, table);
            }
        }
    }

    private static void put(Trial trial, KeyValueTable table) throws Exception {
        trial.check("there is nothing", table.get(ONE).get() == null && !table.exists(ONE).get());
        Version first = table.update(new Insert(ONE, bytes("first"))).get();
        trial.report("inserted", describe(table.get(ONE).get()));
        trial.check("it exists", table.exists(ONE).get());
        trial.check("with that version", table.get(ONE).get().getVersion().equals(first));
        trial.refused("insert again", () -> table.update(new Insert(ONE, bytes("again"))).get());
        Version second = table.update(new Put(ONE, bytes("second"))).get();
        trial.check("a version grows", number(second) > number(first));
        Version third = table.update(new Put(ONE, bytes("third"), second)).get();
        trial.check("and grows", number(third) > number(second));
        trial.refused("put over an old version", () -> table.update(new Put(ONE, bytes("late"), second)).get());
        trial.refused("put over what is missing", () -> table.update(new Put(TWO, bytes("late"), second)).get());
        trial.report("put", describe(table.get(ONE).get()));
        trial.refused("a key that is too short", () -> table.update(new Put(key("one", "1"), bytes(""))).get());
        table.update(new Put(TWO, bytes(""))).get();
        trial.report("an empty value", describe(table.get(TWO).get()));
        ByteBuffer large = ByteBuffer.wrap(new byte[100_000]);
        table.update(new Put(TWO, large)).get();
        trial.check("a large value", table.get(TWO).get().getValue().equals(large));
        List<TableEntry> all = table.getAll(List.of(TWO, SAME_ONE, ONE)).get();
        trial.report("many at once", all.stream().map(entry -> entry == null ? null : describe(entry.getKey())).toList());
    }

    private static void together(Trial trial, KeyValueTable table) throws Exception {
        Version old = table.get(ONE).get().getVersion();
        List<Version> versions =
                table.update(List.of(new Put(ONE, bytes("a"), old), new Insert(SAME_ONE, bytes("b")))).get();
        trial.check("two are put together", number(versions.get(0)) < number(versions.get(1)));
        trial.refused("two, one of them too late", () ->
                table.update(List.of(new Put(ONE, bytes("c")), new Insert(SAME_ONE, bytes("d")))).get());
        trial.report("then nothing is put", describe(table.get(ONE).get()) + " " + describe(table.get(SAME_ONE).get()));
        trial.refused("two of different primary keys", () ->
                table.update(List.of(new Put(ONE, bytes("c")), new Put(TWO, bytes("d")))).get());
    }

    private static void remove(Trial trial, KeyValueTable table) throws Exception {
        Version version = table.get(ONE).get().getVersion();
        table.update(new Put(ONE, bytes("new"))).get();
        trial.refused("remove an old version", () -> table.update(new Remove(ONE, version)).get());
        Version newer = table.get(ONE).get().getVersion();
        table.update(new Remove(ONE, newer)).get();
        trial.check("it is removed", table.get(ONE).get() == null && !table.exists(ONE).get());
        trial.refused("remove what is missing, by version", () -> table.update(new Remove(ONE, newer)).get());
        table.update(new Remove(ONE)).get();
        table.update(new Insert(ONE, bytes("back"))).get();
        trial.report("it comes back", describe(table.get(ONE).get()));
        table.update(List.of(new Remove(ONE), new Remove(SAME_ONE))).get();
        trial.check("two are removed together", table.get(ONE).get() == null && table.get(SAME_ONE).get() == null);
    }

    static void iterators(Trial trial) throws Exception {
        try (KeyValueTableManager tables = KeyValueTableManager.create(trial.config);
                KeyValueTableFactory factory = KeyValueTableFactory.withScope(trial.scope, trial.config)) {
            tables.createKeyValueTable(trial.scope, "table", configuration(3));
            try (KeyValueTable table = open(factory)) {
                for (int primary = 0; primary < 10; primary++) {
                    for (int secondary = 0; secondary < 10; secondary++) {
                        TableKey key = key("p-%02d".formatted(primary), "s-%02d".formatted(secondary));
                        table.update(new Put(key, bytes("%d%d".formatted(primary, secondary)))).get();
                    }
                }
                iterate(trial, table);
            }
        }
    }

    private static void iterate(Trial trial, KeyValueTable table) throws Exception {
        trial.report("all", entries(table.iterator().maxIterationSize(7).all()).stream().sorted().toList());
        trial.report("of a primary key", entries(table.iterator().maxIterationSize(3).forPrimaryKey(bytes("p-04"))));
        trial.report("of a missing one", entries(table.iterator().forPrimaryKey(bytes("p-99"))));
        trial.report("of some secondary keys", entries(
                table.iterator().maxIterationSize(100).forPrimaryKey(bytes("p-04"), bytes("s-03"), bytes("s-06"))));
        trial.report("of a prefix of them", entries(table.iterator().forPrimaryKey(bytes("p-04"), bytes("s-0"))).size());
        List<String> range = entries(table.iterator().forRange(bytes("p-03"), bytes("p-05")));
        trial.report("of a range", range.stream().sorted().toList());
        trial.report("of a prefix", entries(table.iterator().forPrefix(bytes("p-0"))).size());
        List<String> keys = new ArrayList<>();
        var iterator = table.iterator().maxIterationSize(9).forPrimaryKey(bytes("p-07")).keys();
        for (IteratorItem<TableKey> item = iterator.getNext().get(); item != null; item = iterator.getNext().get()) {
            item.getItems().forEach(key -> keys.add(describe(key)));
        }
        trial.report("keys alone", keys);
    }

    private static List<String> entries(KeyValueTableIterator iterator) throws Exception {
        List<String> entries = new ArrayList<>();
        var all = iterator.entries();
        for (IteratorItem<TableEntry> item = all.getNext().get(); item != null; item = all.getNext().get()) {
            item.getItems().forEach(entry -> entries.add(describe(entry)));
        }
        return entries;
    }

    static void life(Trial trial) throws Exception {
        try (KeyValueTableManager tables = KeyValueTableManager.create(trial.config);
                KeyValueTableFactory factory = KeyValueTableFactory.withScope(trial.scope, trial.config)) {
            trial.report("at first", names(tables, trial.scope));
            trial.check("created", tables.createKeyValueTable(trial.scope, "table", configuration(2)));
            trial.check("not created twice", !tables.createKeyValueTable(trial.scope, "table", configuration(2)));
            tables.createKeyValueTable(trial.scope, "another", configuration(1));
            trial.refused("in no scope", () -> tables.createKeyValueTable(trial.scope + "-no", "t", configuration(1)));
            trial.refused("with a bad name", () -> tables.createKeyValueTable(trial.scope, "a_b", configuration(1)));
            trial.refused("of no scope", () -> names(tables, trial.scope + "-no"));
            trial.report("two", names(tables, trial.scope));
            trial.check("it is no stream", !trial.streams.checkStreamExists(trial.scope, "table"));
            trial.check("deleted", tables.deleteKeyValueTable(trial.scope, "table"));
            trial.check("not deleted twice", !tables.deleteKeyValueTable(trial.scope, "table"));
            trial.report("one", names(tables, trial.scope));
            trial.refused("open what is deleted", () -> open(factory).get(ONE).get());
            trial.check("created again", tables.createKeyValueTable(trial.scope, "table", configuration(1)));
            try (KeyValueTable table = open(factory)) {
                trial.check("it is empty", table.get(ONE).get() == null);
            }
        }
    }

    private static List<String> names(KeyValueTableManager tables, String scope) {
        return ImmutableList.copyOf(tables.listKeyValueTables(scope)).stream()
                .map(KeyValueTableInfo::getKeyValueTableName)
                .sorted()
                .toList();
    }

    private static KeyValueTableConfiguration configuration(int partitions) {
        return KeyValueTableConfiguration.builder()
                .partitionCount(partitions)
                .primaryKeyLength(4)
                .secondaryKeyLength(4)
                .build();
    }

    private static KeyValueTable open(KeyValueTableFactory factory) {
        return factory.forKeyValueTable("table", KeyValueTableClientConfiguration.builder().build());
    }

    private static TableKey key(String primary, String secondary) {
        return new TableKey(bytes(primary), bytes(secondary));
    }

    private static long number(Version version) {
        return version.asImpl().getSegmentVersion();
    }

    private static String describe(TableEntry entry) {
        return describe(entry.getKey()) + "=" + text(entry.getValue());
    }

    private static String describe(TableKey key) {
        return text(key.getPrimaryKey()) + "/" + text(key.getSecondaryKey());
    }

    private static String text(ByteBuffer bytes) {
        return StandardCharsets.UTF_8.decode(bytes.duplicate()).toString();
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }
}
