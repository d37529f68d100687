//! Messages of the store's protocol through `PUT /v1/events`, and the same by fields.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::wire::{framed, path, post_fields, put};
use crate::support::{Answer, Gateway, Stream};

/// The value that the store reports for an unset attribute.
const NOT_SET: i64 = i64::MIN;

#[tokio::test]
async fn segment_info_is_the_same_raw_and_by_fields() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "hello").await;
    let segment = stream.segment(0);

    let fields = json!({ "requestId": 77, "segmentName": segment, "delegationToken": "" });
    let (status, raw) = put(&gateway, "GetStreamSegmentInfo", &fields).await;
    assert_eq!((status, &raw["name"]), (200, &json!("StreamSegmentInfo")));
    assert_eq!((&raw["fields"]["requestId"], &raw["fields"]["writeOffset"]), (&json!(77), &json!(13)));
    let (status, by_fields) = post_fields(&gateway, "GetStreamSegmentInfo", &fields).await;
    assert_eq!((status, by_fields), (200, raw));

    let by_parameters = Answer::of(gateway.post(&path("GetStreamSegmentInfo", &stream, 0))).await.expect(200);
    assert_eq!(by_parameters.header("message-name"), "StreamSegmentInfo");
    assert_eq!(by_parameters.header("wire-write-offset"), "13");
    assert_eq!(by_parameters.header("wire-segment-name"), segment);
    assert_eq!(by_parameters.header("wire-exists"), "true");
}

#[tokio::test]
async fn bytes_of_a_segment_are_read_raw_and_by_fields() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "hello").await;

    let fields = json!({
        "segment": stream.segment(0), "offset": 0, "suggestedLength": 100, "delegationToken": "", "requestId": 78,
    });
    let (status, raw) = put(&gateway, "ReadSegment", &fields).await;
    assert_eq!((status, &raw["name"]), (200, &json!("SegmentRead")));
    assert_eq!(raw["fields"]["data"]["hex"], hex::encode(framed(b"hello")));
    let (status, by_fields) = post_fields(&gateway, "ReadSegment", &fields).await;
    assert_eq!((status, by_fields), (200, raw));

    let parameters = format!("{}&offset=8&suggestedLength=100", path("ReadSegment", &stream, 0));
    let answer = Answer::of(gateway.post(&parameters)).await.expect(200);
    assert_eq!((&*answer.body, answer.header("wire-offset")), (&b"hello"[..], "8"));
}

#[tokio::test]
async fn attributes_are_set_and_read_raw_and_by_fields() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let segment = stream.segment(0);
    let id = Uuid::new_v4().to_string();
    let get = json!({ "requestId": 1, "segmentName": segment, "attributeId": id, "delegationToken": "" });
    let set = |new: i64, expected: i64| {
        json!({
            "requestId": 2, "segmentName": segment, "attributeId": id, "newValue": new, "expectedValue": expected,
            "delegationToken": "",
        })
    };

    assert_eq!(put(&gateway, "GetSegmentAttribute", &get).await.1["fields"]["value"], NOT_SET);
    let (status, reply) = put(&gateway, "UpdateSegmentAttribute", &set(4711, NOT_SET)).await;
    assert_eq!((status, &reply["fields"]), (200, &json!({ "requestId": 2, "success": true })));
    assert_eq!(put(&gateway, "GetSegmentAttribute", &get).await.1["fields"]["value"], 4711);
    let (status, reply) = put(&gateway, "UpdateSegmentAttribute", &set(1, 2)).await;
    assert_eq!((status, &reply["fields"]["success"]), (412, &json!(false)));

    let (status, reply) = post_fields(&gateway, "UpdateSegmentAttribute", &set(4712, 4711)).await;
    assert_eq!((status, &reply["fields"]["success"]), (200, &json!(true)));
    let (status, reply) = post_fields(&gateway, "UpdateSegmentAttribute", &set(1, 2)).await;
    assert_eq!((status, &reply["name"]), (412, &json!("SegmentAttributeUpdated")));
    let (status, reply) = post_fields(&gateway, "GetSegmentAttribute", &get).await;
    assert_eq!((status, &reply["fields"]["value"]), (200, &json!(4712)));
}

#[tokio::test]
async fn field_is_taken_from_header_parameter_or_body_and_only_once() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let id = Uuid::new_v4().to_string();
    let path = path("GetSegmentAttribute", &stream, 0);
    let named = format!("{path}&attributeId={id}");
    let document = json!({ "attributeId": id }).to_string();

    let once = [
        gateway.post(&path).header("Wire-Attribute-Id", &id),
        gateway.post(&named),
        gateway.post(&path).body(document.clone()),
        gateway.post(&path).header("Content-Type", "application/json").body(document.clone()),
    ];
    for request in once {
        assert_eq!(Answer::of(request).await.expect(200).header("wire-value"), NOT_SET.to_string());
    }
    let twice = [
        gateway.post(&named).header("Wire-Attribute-Id", &id),
        gateway.post(&path).header("Wire-Attribute-Id", &id).header("Wire-Attribute-Id", &id),
        gateway.post(&path).header("Wire-Attribute-Id", &id).body(document.clone()),
        gateway.post(&format!("{named}&attributeId={id}")),
        gateway.post(&named).body(document),
        gateway.post(&path).body(format!("{{\"attributeId\": \"{id}\", \"attributeId\": \"{id}\"}}")),
    ];
    for request in twice {
        let answer = Answer::of(request).await.expect(400);
        assert_eq!(answer.json()["code"], "parameter_repeated");
    }
    let answer = Answer::of(gateway.post(&path)).await.expect(400);
    assert_eq!(answer.json()["code"], "parameter_missing");
}

#[tokio::test]
async fn table_is_made_written_and_read_raw() {
    table_works(|gateway, name, fields| Box::pin(async move { put(gateway, name, &fields).await })).await;
}

#[tokio::test]
async fn table_is_made_written_and_read_by_fields() {
    table_works(|gateway, name, fields| Box::pin(async move { post_fields(gateway, name, &fields).await })).await;
}

/// Creates a table segment next to a stream's, updates it and reads it back through `send`.
async fn table_works(
    send: impl for<'a> Fn(&'a Gateway, &'a str, Value) -> futures::future::BoxFuture<'a, (u16, Value)>,
) {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let table = format!("{}/table/0.#epoch.0", stream.scope);
    let key = |key: &str, version: i64| json!({ "data": { "hex": hex::encode(key) }, "keyVersion": version });
    let value = |value: &str| json!({ "data": { "hex": hex::encode(value) } });
    let common = json!({ "requestId": 5, "segment": table, "delegationToken": "" });
    let with = |more: Value| {
        let mut fields = common.clone();
        fields.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        fields
    };

    let create = with(json!({ "sortedDeprecated": false, "keyLength": 0, "rolloverSizeBytes": 0 }));
    let (status, reply) = send(&gateway, "CreateTableSegment", create.clone()).await;
    assert_eq!((status, reply["fields"].clone()), (200, json!({ "requestId": 5, "segment": table })));
    let (status, reply) = send(&gateway, "CreateTableSegment", create).await;
    assert_eq!((status, &reply["name"]), (409, &json!("SegmentAlreadyExists")));

    let entries = json!({ "entries": [[key("one", NOT_SET), value("1")], [key("two", -1), value("2")]] });
    let update = with(json!({ "tableEntries": entries, "tableSegmentOffset": -1 }));
    let (status, reply) = send(&gateway, "UpdateTableEntries", update.clone()).await;
    assert_eq!((status, &reply["name"]), (200, &json!("TableEntriesUpdated")));
    let versions = reply["fields"]["updatedVersions"].as_array().expect("versions").clone();
    let (status, reply) = send(&gateway, "UpdateTableEntries", update).await;
    assert_eq!((status, &reply["name"]), (412, &json!("TableKeyBadVersion")), "key two was to be absent");

    let read = with(json!({ "keys": [key("two", NOT_SET), key("one", NOT_SET), key("none", NOT_SET)] }));
    let (status, reply) = send(&gateway, "ReadTable", read).await;
    assert_eq!((status, &reply["name"]), (200, &json!("TableRead")));
    let entries = reply["fields"]["entries"]["entries"].as_array().expect("entries");
    let version = |index: usize| versions[index].as_i64().expect("a version");
    assert_eq!(entries[0], json!([key("two", version(1)), value("2")]));
    assert_eq!(entries[1], json!([key("one", version(0)), value("1")]));
    assert_eq!(entries[2][0]["keyVersion"], -1);
}
