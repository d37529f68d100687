//! Reads, iterations and deltas, answered as Pravega 0.13.0 does.

use super::super::delta::Delta;
use super::super::iterate::Page;
use super::*;

fn from_to(from: &'static str, to: &'static str) -> IteratorArgs {
    IteratorArgs { from_key: from.into(), to_key: to.into(), ..IteratorArgs::default() }
}

fn after(token: impl Into<Bytes>) -> IteratorArgs {
    IteratorArgs { continuation_token: token.into(), ..IteratorArgs::default() }
}

fn names(page: Result<Page<TableKey>, TableRejection>) -> Vec<Bytes> {
    page.expect("a page").items.into_iter().map(|key| key.data).collect()
}

/// The token of a hash, both in hexadecimal.
fn token(hash: &str) -> Bytes {
    hex::decode(format!("0000010000000010{hash}")).expect("hexadecimal").into()
}

#[test]
fn hash_tables_are_iterated_by_hash() {
    let mut table = hashed();
    let entries: Vec<_> = (0..300).map(|number| any(format!("k{number}"), "v")).collect();
    update(&mut table, &entries).expect("no condition");
    let page = table.iterate_keys(2, &after(token("ffffffffffffffffffffffffffffffff"))).expect("a page");
    assert_eq!(page.items, [key("k114", 2398), key("k2", 40)]);
    assert_eq!(page.continuation_token, token("015f7e6bc5aeaf483724089e9252cc13"));
    let all = table.iterate_keys(1000, &IteratorArgs::default()).expect("a page");
    assert_eq!(all.items.len(), 300);
    assert_eq!(all.continuation_token, token("7fee425c2f41da0890fa11c9094a316f"));
    let end = table.iterate_keys(1000, &after(all.continuation_token)).expect("a page");
    assert_eq!(end, Page { items: vec![], continuation_token: Bytes::new() });
}

#[test]
fn a_page_of_nothing_has_no_token() {
    for table in [hashed(), fixed(), six_fixed()] {
        for suggested in [0, -1] {
            let page = table.iterate_keys(suggested, &IteratorArgs::default()).expect("a page");
            assert_eq!(page, Page { items: vec![], continuation_token: Bytes::new() });
        }
    }
    let empty = fixed().iterate_entries(5, &IteratorArgs::default()).expect("a page");
    assert_eq!(empty, Page { items: vec![], continuation_token: Bytes::new() });
}

#[test]
fn hash_tables_take_no_range() {
    let refused = illegal("Range Iterators not supported for HashTableSegments.");
    assert_eq!(hashed().iterate_keys(2, &from_to("a", "")), refused);
    let with_token = IteratorArgs { continuation_token: "xyz".into(), ..from_to("", "a") };
    assert_eq!(hashed().iterate_keys(2, &with_token), refused);
    assert!(matches!(hashed().iterate_keys(2, &after("xyz")), Err(TableRejection::ClosesConnection(_))));
}

#[test]
fn fixed_keys_are_iterated_by_their_bytes_from_key_to_key() {
    let table = six_fixed();
    let all = table.iterate_keys(1, &IteratorArgs::default()).expect("a page");
    assert_eq!(all.items.len(), 6, "what fits a page of the index comes at once");
    assert_eq!(hex::encode(&all.continuation_token), "00000100000000050466666666");
    assert_eq!(names(table.iterate_keys(9, &from_to("bbbc", "dddd"))), ["cccc", "dddd"]);
    assert_eq!(names(table.iterate_keys(9, &from_to("", "bbbb"))), ["aaaa", "bbbb"]);
    assert_eq!(names(table.iterate_keys(9, &from_to("eeee", ""))), ["eeee", "ffff"]);
    assert!(names(table.iterate_keys(9, &from_to("zzzz", ""))).is_empty());
}

#[test]
fn fixed_keys_come_in_pages_of_the_index() {
    let mut table = fixed();
    let entries: Vec<_> = (0..3000_u32).map(|number| any(number.to_be_bytes().to_vec(), "v")).collect();
    update(&mut table, &entries).expect("no condition");
    let page = |suggested| names(table.iterate_keys(suggested, &IteratorArgs::default())).len();
    assert_eq!((page(1), page(1365), page(1366), page(2731)), (1365, 1365, 2730, 3000));
}

#[test]
fn bytes_of_fixed_keys_have_no_sign() {
    let mut table = Table::new(Keys::Fixed(16));
    let keys = [255, 128, 127, 1, 0].map(|byte| any(vec![byte; 16], "x"));
    update(&mut table, &keys).expect("no condition");
    let firsts = names(table.iterate_keys(9, &IteratorArgs::default())).iter().map(|key| key[0]).collect::<Vec<_>>();
    assert_eq!(firsts, [0, 1, 127, 128, 255]);
}

#[test]
fn fixed_keys_take_no_token_and_no_odd_range() {
    let table = six_fixed();
    let no_token = illegal("ContinuationToken not supported for FixedKeyLengthTableSegments.");
    assert_eq!(table.iterate_keys(9, &after("xyz")), no_token);
    let inverse = illegal("firstKey must be smaller than or equal to lastKey.");
    assert_eq!(table.iterate_keys(9, &from_to("ffff", "bbbb")), inverse);
    let short = illegal("Expected Attribute Id length 4, given 1.");
    assert_eq!(table.iterate_keys(9, &from_to("e", "h")), short);
    let long = illegal("Expected Attribute Id length 4, given 5.");
    assert_eq!(table.iterate_keys(9, &from_to("", "eeeee")), long);
}

#[test]
fn a_page_ends_soon_after_two_mib() {
    for mut table in [hashed(), fixed()] {
        for name in ["aaaa", "bbbb", "cccc", "dddd", "eeee"] {
            update(&mut table, &[any(name, vec![b'v'; 700_000])]).expect("no condition");
        }
        let page = table.iterate_entries(100, &IteratorArgs::default()).expect("a page");
        assert_eq!(page.items.len(), 3);
        assert_eq!(names(table.iterate_keys(100, &IteratorArgs::default())).len(), 5);
    }
}

#[test]
fn a_delta_ends_soon_after_two_mib() {
    let mut table = hashed();
    for name in ["k0", "k1", "k2", "k3", "k4", "k5"] {
        update(&mut table, &[any(name, vec![b'v'; 700_000])]).expect("no condition");
    }
    let delta = table.delta(0, 100).expect("a delta");
    assert_eq!((delta.entries.len(), delta.reached_end, delta.last_position), (3, false, 2_100_057));
}

#[test]
fn a_read_of_more_than_a_frame_holds_is_refused() {
    let mut table = hashed();
    update(&mut table, &[any("k", vec![b'v'; 1_000_000])]).expect("no condition");
    let times = |count| table.read(&vec![key("k", NO_VALUE); count]);
    assert_eq!(times(16).map(|entries| entries.len()), Ok(16));
    assert!(matches!(times(17), Err(TableRejection::IllegalArgument(_))));
}

#[test]
fn a_delta_tells_live_entries_from_a_position() {
    let mut table = hashed();
    update(&mut table, &[any("a", "1"), any("bb", "22")]).expect("no condition");
    let delta = |entries: &[TableEntry], reached_end, last_position| {
        Ok(Delta { entries: entries.to_vec(), should_clear: false, reached_end, last_position })
    };
    let (a, bb) = (entry("a", "1", 0), entry("bb", "22", 19));
    assert_eq!(table.delta(0, 1), delta(std::slice::from_ref(&a), false, 19));
    assert_eq!(table.delta(0, 2), delta(&[a, bb.clone()], true, 40));
    assert_eq!(table.delta(19, 10), delta(&[bb], true, 40));
    remove(&mut table, &[key("bb", 19), key("a", 0)]).expect("their versions");
    assert_eq!(table.delta(0, 10), delta(&[], true, 77));
}

#[test]
fn a_delta_that_looks_at_nothing_ends_at_zero() {
    let mut table = hashed();
    let nothing = Ok(Delta { entries: vec![], should_clear: false, reached_end: true, last_position: 0 });
    assert_eq!(table.delta(0, 10), nothing);
    update(&mut table, &[any("a", "1")]).expect("no condition");
    for (position, count) in [(19, 10), (0, 0), (0, -1)] {
        assert_eq!(table.delta(position, count), nothing);
    }
}

#[test]
fn a_delta_from_outside_of_the_table_is_refused() {
    let mut table = hashed();
    update(&mut table, &[any("a", "1"), any("bb", "22")]).expect("no condition");
    assert_eq!(table.delta(-5, 10), illegal("startOffset: startOffset must be a non-negative number."));
    let beyond = illegal("fromPosition (1000) can not exceed the length (40) of the TableSegment.");
    assert_eq!(table.delta(1000, 1), beyond);
    assert_eq!(fixed().delta(-5, 10), Err(TableRejection::Unsupported("readTableEntriesDelta")));
}
