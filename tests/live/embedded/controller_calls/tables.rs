//! Key-value tables.

use pravega_protocol::controller::*;

use super::side::{Side, ask};

pub(super) async fn ask(side: &mut Side) {
    for (name, parts, primary, secondary) in [
        ("a_b", 1, 4, 4),
        ("table", 0, 4, 4),
        ("table", 1, 0, 4),
        ("table", 1, 4, -1),
        ("", 1, 4, 4),
        ("table", 3, 4, 0),
        ("table", 2, 8, 8),
    ] {
        ask!(side, create_key_value_table, config(side, name, parts, primary, secondary));
    }
    let elsewhere = KeyValueTableConfig { scope: "nobody-has-it".into(), ..config(side, "table", 1, 4, 4) };
    ask!(side, create_key_value_table, elsewhere);
    for name in ["table", "nope"] {
        ask!(side, get_key_value_table_configuration, info(side, name));
        ask!(side, get_current_segments_key_value_table, info(side, name));
    }
    let list = KvTablesInScopeRequest { scope: Some(side.scope_info()), continuation_token: None };
    ask!(side, list_key_value_tables_in_scope, list.clone());
    let nowhere = Some(ScopeInfo { scope: "nobody-has-it".into() });
    ask!(side, list_key_value_tables_in_scope, KvTablesInScopeRequest { scope: nowhere, continuation_token: None });
    for name in ["nope", "table"] {
        ask!(side, delete_key_value_table, info(side, name));
    }
    ask!(side, list_key_value_tables_in_scope, list);
    ask!(side, create_key_value_table, config(side, "table", 1, 4, 4));
    ask!(side, get_current_segments_key_value_table, info(side, "table"));
}

fn config(side: &Side, name: &str, parts: i32, primary: i32, secondary: i32) -> KeyValueTableConfig {
    KeyValueTableConfig {
        scope: side.scope.clone(),
        kvt_name: name.into(),
        partition_count: parts,
        primary_key_length: primary,
        secondary_key_length: secondary,
        rollover_size_bytes: 0,
    }
}

fn info(side: &Side, name: &str) -> KeyValueTableInfo {
    KeyValueTableInfo { scope: side.scope.clone(), kvt_name: name.into() }
}
