package acceptance;

/** Something that an application does, in a scope of its own. */
interface Scenario {
    void run(Trial trial) throws Exception;
}
