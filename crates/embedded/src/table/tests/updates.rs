//! Updates and removals, answered as Pravega 0.13.0 does.

use super::super::read::TableInfo;
use super::*;

#[test]
fn versions_are_offsets_of_records() {
    let mut table = hashed();
    assert_eq!(update(&mut table, &[any("a", "1"), any("bb", "22")]), Ok(vec![0, 19]));
    assert_eq!(table.info(), TableInfo { start_offset: 0, length: 40, entry_count: 2, key_length: 0 });
    assert_eq!(update(&mut table, &[]), Ok(vec![]));
    assert_eq!(read(&table, "bb"), (19, "22".into()));
    assert_eq!(read(&table, "x"), (-1, "".into()));
}

#[test]
fn a_key_twice_in_a_batch_keeps_its_last_value() {
    for mut table in [hashed(), fixed()] {
        assert_eq!(update(&mut table, &[any("dddd", "1"), any("dddd", "22")]), Ok(vec![0, 22]));
        assert_eq!(read(&table, "dddd"), (22, "22".into()));
        let twice_new = [entry("eeee", "1", NOT_EXISTS), entry("eeee", "22", NOT_EXISTS)];
        assert_eq!(update(&mut table, &twice_new), Ok(vec![45, 67]));
        let twice_same = [entry("eeee", "1", 67), entry("eeee", "2", 67)];
        assert_eq!(update(&mut table, &twice_same), Ok(vec![90, 112]));
        assert_eq!(table.info().entry_count, 2);
    }
}

#[test]
fn conditions_are_held_against_the_table_before_the_batch() {
    let mut table = fixed();
    let chained = [entry("hhhh", "1", NOT_EXISTS), entry("hhhh", "22", 0)];
    assert_eq!(update(&mut table, &chained), Err(TableRejection::BadVersion));
    assert_eq!(table, fixed());
}

#[test]
fn a_missing_key_outranks_a_bad_version_in_hash_tables() {
    let mut table = hashed();
    update(&mut table, &[any("a", "1")]).expect("no condition");
    let (bad, missing) = (entry("a", "1", 7), entry("zz", "2", 5));
    for batch in [[bad.clone(), missing.clone()], [missing, bad.clone()]] {
        assert_eq!(update(&mut table, &batch), Err(TableRejection::KeyDoesNotExist));
    }
    assert_eq!(update(&mut table, &[bad]), Err(TableRejection::BadVersion));
    assert_eq!(update(&mut table, &[entry("a", "1", NOT_EXISTS)]), Err(TableRejection::BadVersion));
}

#[test]
fn a_missing_fixed_key_has_a_bad_version() {
    let mut table = six_fixed();
    remove(&mut table, &[key("bbbb", 22)]).expect("its version");
    for missing in ["zzzz", "bbbb"] {
        assert_eq!(update(&mut table, &[entry(missing, "1", 22)]), Err(TableRejection::BadVersion));
        assert_eq!(remove(&mut table, &[key(missing, 22)]), Err(TableRejection::BadVersion));
        assert_eq!(remove(&mut table, &[key(missing, NOT_EXISTS)]), Ok(()));
    }
    assert_eq!(update(&mut table, &[entry("bbbb", "1", NOT_EXISTS)]), Ok(vec![132]));
}

#[test]
fn removals_take_room_in_hash_tables_even_of_what_is_not_there() {
    let mut table = hashed();
    update(&mut table, &[any("a", "1")]).expect("no condition");
    assert_eq!(remove(&mut table, &[key("nope", NO_VALUE)]), Ok(()));
    assert_eq!(remove(&mut table, &[key("nope", NOT_EXISTS)]), Ok(()));
    assert_eq!(table.length(), 19 + 21 + 21);
    assert_eq!(remove(&mut table, &[key("nope", 5)]), Err(TableRejection::KeyDoesNotExist));
    assert_eq!(remove(&mut table, &[key("a", NOT_EXISTS)]), Err(TableRejection::BadVersion));
    assert_eq!(remove(&mut table, &[key("a", 0), key("a", 0)]), Ok(()));
    assert_eq!(table.info(), TableInfo { start_offset: 0, length: 97, entry_count: 0, key_length: 0 });
    assert_eq!(update(&mut table, &[entry("a", "x", 0)]), Err(TableRejection::KeyDoesNotExist));
    assert_eq!(update(&mut table, &[entry("a", "y", NOT_EXISTS)]), Ok(vec![97]));
}

#[test]
fn removals_of_fixed_keys_take_no_room() {
    let mut table = six_fixed();
    assert_eq!(remove(&mut table, &[key("bbbb", NO_VALUE), key("bbbb", NO_VALUE), key("yyyy", NO_VALUE)]), Ok(()));
    assert_eq!(remove(&mut table, &[]), Ok(()));
    assert_eq!(table.info(), TableInfo { start_offset: 0, length: 132, entry_count: 5, key_length: 4 });
}

#[test]
fn keys_and_records_have_a_longest_length() {
    let mut table = hashed();
    assert_eq!(update(&mut table, &[any(vec![b'k'; 8193], "2")]), illegal("Key too large."));
    assert_eq!(remove(&mut table, &[key(vec![b'k'; 8193], NO_VALUE)]), illegal("Key too large."));
    assert_eq!(update(&mut table, &[any(vec![b'k'; 8192], "2")]), Ok(vec![0]));
    let too_large = any("v", vec![b'2'; MIB - 17]);
    assert_eq!(update(&mut table, &[too_large]), illegal("Key+Value serialization too large."));
    assert_eq!(update(&mut table, &[any("v", vec![b'2'; MIB - 18])]), Ok(vec![8210]));
    assert_eq!(table.length(), 8210 + MIB as i64);
}

#[test]
fn a_hash_table_refuses_an_empty_key() {
    assert!(matches!(update(&mut hashed(), &[any("", "1")]), Err(TableRejection::IllegalArgument(_))));
    assert_eq!(read(&hashed(), ""), (-1, "".into()));
}

#[test]
fn fixed_keys_have_their_length() {
    let mut table = six_fixed();
    for wrong in ["", "aaa", "aaaaa"] {
        let stale = entry("aaaa", "1", 7);
        assert!(matches!(update(&mut table, &[stale, any(wrong, "1")]), Err(TableRejection::IllegalArgument(_))));
        assert!(matches!(remove(&mut table, &[key(wrong, NO_VALUE)]), Err(TableRejection::IllegalArgument(_))));
    }
    let asked = [key("aaaa", NO_VALUE), key("aaaaaaa", NO_VALUE)];
    assert_eq!(table.read(&asked), illegal("Expected Attribute Id length 4, given 7."));
    for unheard_of in [0, 257] {
        let refused = table.read(&[key(vec![b'a'; unheard_of], NO_VALUE)]).expect_err("no table has such keys");
        assert!(refused.to_string().ends_with(&format!("equal to 256; actual {unheard_of}.")), "{refused}");
    }
}

#[test]
fn a_table_of_fixed_keys_has_at_most_256_bytes_a_key() {
    assert_eq!(Keys::of_length(-1), Ok(Keys::Hashed));
    assert_eq!(Keys::of_length(0), Ok(Keys::Hashed));
    assert_eq!(Keys::of_length(256), Ok(Keys::Fixed(256)));
    assert!(matches!(Keys::of_length(257), Err(TableRejection::ClosesConnection(_))));
}

#[test]
fn sizes_come_after_conditions_in_hash_tables_and_before_them_in_fixed_ones() {
    let stale_and_large = |name: &'static str| [entry(name, vec![b'2'; MIB], 7)];
    let mut table = hashed();
    update(&mut table, &[any("a", "1")]).expect("no condition");
    assert_eq!(update(&mut table, &stale_and_large("a")), Err(TableRejection::BadVersion));
    let too_large = illegal("Key+Value serialization too large.");
    assert_eq!(update(&mut six_fixed(), &stale_and_large("aaaa")), too_large);
}

#[test]
fn the_segment_offset_is_the_last_condition() {
    let mut table = six_fixed();
    let truncated = Err(TableRejection::Truncated { length: 132 });
    assert_eq!(update_at(&mut table, &[entry("aaaa", "1", 5)], 5), Err(TableRejection::BadVersion));
    assert_eq!(update_at(&mut table, &[any("aaaa", "1")], 5), truncated);
    assert_eq!(update_at(&mut table, &[], 5), truncated);
    assert_eq!(remove_at(&mut table, &[key("aaaa", NO_VALUE)], 5), Err(TableRejection::Truncated { length: 132 }));
    assert_eq!(remove_at(&mut table, &[key("aaaa", NO_VALUE)], 132), Ok(()));
    assert_eq!(update_at(&mut table, &[any("aaaa", "1")], -2), Ok(vec![132]));
    assert_eq!(update_at(&mut table, &[any("aaaa", "1")], i64::MIN), Ok(vec![154]));
    assert_eq!(update_at(&mut table, &[any("aaaa", "1")], 176), Ok(vec![176]));
}

#[test]
fn a_version_below_minus_one_closes_the_connection_unless_it_is_only_read() {
    for mut table in [hashed(), six_fixed()] {
        assert!(matches!(update(&mut table, &[entry("aaaa", "1", -2)]), Err(TableRejection::ClosesConnection(_))));
        assert!(matches!(remove(&mut table, &[key("aaaa", -2)]), Err(TableRejection::ClosesConnection(_))));
        assert!(table.read(&[key("aaaa", -2)]).is_ok());
    }
}

#[test]
fn only_hash_tables_can_be_asked_to_be_empty() {
    let mut table = hashed();
    assert_eq!(table.check_deletion(true), Ok(()));
    update(&mut table, &[any("a", "")]).expect("no condition");
    assert_eq!(table.check_deletion(true), Err(TableRejection::NotEmpty));
    assert_eq!(table.check_deletion(false), Ok(()));
    remove(&mut table, &[key("a", NO_VALUE)]).expect("no condition");
    assert_eq!(table.check_deletion(true), Ok(()));
    assert_eq!(fixed().check_deletion(true), Err(TableRejection::Unsupported("deleteTableSegment")));
    assert_eq!(six_fixed().check_deletion(false), Ok(()));
}

#[test]
fn a_small_value_does_not_keep_its_frame() {
    let frame = Bytes::from(vec![b'v'; MIB]);
    let mut table = hashed();
    update(&mut table, &[any(frame.slice(..3), frame.slice(3..100))]).expect("no condition");
    assert!(frame.is_unique());
}

#[test]
fn a_large_value_is_not_copied() {
    let frame = Bytes::from(vec![b'v'; MIB]);
    let mut table = hashed();
    update(&mut table, &[any("k", frame.slice(8..100_008))]).expect("no condition");
    assert_eq!(read(&table, "k").1.as_ptr(), frame[8..].as_ptr());
}

#[test]
fn a_batch_of_more_than_32_mib_closes_the_connection() {
    let keys = |count| vec![key(vec![b'k'; 8192], NO_VALUE); count];
    assert_eq!(remove(&mut hashed(), &keys(4087)), Ok(()));
    assert!(matches!(remove(&mut hashed(), &keys(4088)), Err(TableRejection::ClosesConnection(_))));
}
