//! Messages are written field by field, as Go writes them.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::*;

/// A message under construction.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, number: u32, value: i64) -> Self {
        encode_key(number, WireType::Varint, &mut self.0);
        encode_varint(value.cast_unsigned(), &mut self.0);
        self
    }

    fn double(mut self, number: u32, value: f64) -> Self {
        encode_key(number, WireType::SixtyFourBit, &mut self.0);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, number: u32, value: impl AsRef<[u8]>) -> Self {
        encode_key(number, WireType::LengthDelimited, &mut self.0);
        encode_varint(value.as_ref().len() as u64, &mut self.0);
        self.0.extend(value.as_ref());
        self
    }

    fn message(self, number: u32, value: Self) -> Self {
        self.bytes(number, value.0)
    }
}

fn message() -> Message {
    Message::default()
}

fn body(api_version: &str, kind: &str, content: Message) -> Vec<u8> {
    let envelope = message().message(1, message().bytes(1, api_version).bytes(2, kind)).message(2, content);
    [MAGIC, &envelope.0].concat()
}

fn read_as(name: &str, content: Message) -> Value {
    let mut object = Map::new();
    read(name, &content.0, 0, &mut object).unwrap();
    Value::Object(object)
}

#[test]
fn a_deployment_is_read_to_its_depths() {
    let port = message().bytes(1, "").number(2, 0).number(3, 80).bytes(4, "TCP").bytes(5, "");
    let probe =
        message().message(1, message().message(2, message().bytes(1, "/").message(2, port_name("http"))));
    let limits = message().bytes(1, "cpu").message(2, message().bytes(1, "250m"));
    let container = message()
        .bytes(1, "web")
        .bytes(2, "nginx")
        .message(6, port)
        .message(8, message().message(1, limits))
        .message(10, probe)
        .number(17, 0);
    let volume = message().bytes(1, "config").message(
        2,
        message().message(19, message().message(1, message().bytes(1, "settings")).number(3, 0o644)),
    );
    let pod = message().message(1, volume).message(2, container).bytes(3, "").number(4, 0).number(11, 0);
    let template = message().message(1, message().bytes(1, "").message(8, message())).message(2, pod);
    let spec = message()
        .number(1, 0)
        .message(2, message().message(1, message().bytes(1, "app").bytes(2, "web")))
        .message(3, template)
        .message(4, message().bytes(1, "").message(2, message().message(1, port_number(-1))))
        .number(5, 0);
    let metadata = message().bytes(1, "web").bytes(2, "").message(8, message().number(1, 0).number(2, 0));
    let content = message().message(1, metadata).message(2, spec).message(3, message().number(1, 0));
    assert_eq!(
        object(&body("apps/v1", "Deployment", content)).unwrap(),
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "web" },
            "spec": {
                "replicas": 0,
                "selector": { "matchLabels": { "app": "web" } },
                "strategy": { "rollingUpdate": { "maxUnavailable": -1 } },
                "template": {
                    "metadata": {},
                    "spec": {
                        "terminationGracePeriodSeconds": 0,
                        "volumes": [{ "name": "config", "configMap": { "name": "settings", "defaultMode": 420 } }],
                        "containers": [{
                            "name": "web",
                            "image": "nginx",
                            "ports": [{ "containerPort": 80, "protocol": "TCP" }],
                            "resources": { "limits": { "cpu": "250m" } },
                            "livenessProbe": { "httpGet": { "path": "/", "port": "http" } },
                        }],
                    },
                },
            },
            "status": {},
        })
    );
}

fn port_name(name: &str) -> Message {
    message().number(1, 1).number(2, 0).bytes(3, name)
}

fn port_number(number: i64) -> Message {
    message().number(1, 0).number(2, number).bytes(3, "")
}

#[test]
fn bytes_times_and_lists_in_maps_are_what_they_are_in_json() {
    let secret = message().message(2, message().bytes(1, "key").bytes(2, [0xff, 0])).number(5, 0);
    assert_eq!(read_as("core.v1.Secret", secret), json!({ "data": { "key": "/wA=" }, "immutable": false }));

    let time = message().number(1, 1_700_000_000).number(2, 123_456_789);
    let lease = message().bytes(1, "me").number(2, 15).message(4, time.clone());
    let expected = json!({
        "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2023-11-14T22:13:20.123456Z",
    });
    assert_eq!(read_as("coordination.v1.LeaseSpec", lease), expected);
    let meta = message().message(9, time);
    assert_eq!(read_as("meta.v1.ObjectMeta", meta), json!({ "deletionTimestamp": "2023-11-14T22:13:20Z" }));

    let extra = message().bytes(1, "scopes").message(2, message().bytes(1, "a").bytes(1, "b"));
    let review = message().message(5, extra);
    assert_eq!(
        read_as("authorization.v1.SubjectAccessReviewSpec", review),
        json!({ "extra": { "scopes": ["a", "b"] } })
    );
}

#[test]
fn numbers_of_a_list_may_come_one_by_one_or_at_once() {
    let packed = [1i64, -2].map(i64::cast_unsigned).iter().fold(Vec::new(), |mut all, number| {
        encode_varint(*number, &mut all);
        all
    });
    let groups = message().number(4, 7).bytes(4, packed);
    let expected = json!({ "supplementalGroups": [7, 1, -2] });
    assert_eq!(read_as("core.v1.PodSecurityContext", groups), expected);
}

#[test]
fn a_schema_has_its_forms() {
    let text = || message().bytes(5, "string");
    let content = message()
        .bytes(5, "object")
        .message(8, message().bytes(1, br#"{"a":[1,null]}"#))
        .double(9, 10.0)
        .double(11, 0.5)
        .message(20, message().bytes(1, "null"))
        .message(24, message().message(1, text()))
        .message(29, message().bytes(1, "n").message(2, message().message(24, message().message(2, text()))))
        .message(30, message().number(1, 1))
        .message(32, message().bytes(1, "d").message(2, message().bytes(2, "e")))
        .message(33, message().number(1, 1).message(2, text()))
        .number(38, 0);
    assert_eq!(
        read_as("apiextensions.v1.JSONSchemaProps", content),
        json!({
            "type": "object",
            "default": { "a": [1, null] },
            "maximum": 10,
            "minimum": 0.5,
            "enum": [null],
            "items": { "type": "string" },
            "properties": { "n": { "items": [{ "type": "string" }] } },
            "additionalProperties": true,
            "dependencies": { "d": ["e"] },
            "additionalItems": { "type": "string" },
            "x-kubernetes-preserve-unknown-fields": false,
        })
    );
}

#[test]
fn unknown_fields_are_skipped_and_the_last_of_two_counts() {
    let content =
        message().number(900, 1).bytes(901, "x").double(902, 1.0).bytes(3, "first").bytes(3, "last");
    assert_eq!(read_as("core.v1.Secret", content), json!({ "type": "last" }));
}

#[test]
fn what_is_no_object_is_refused() {
    let whole = body("v1", "ConfigMap", message().message(1, message().bytes(1, "a")));
    for cut in 1..whole.len() {
        // Cut between two fields it may be an object with less in it; it never is more, and nothing panics.
        let _ = object(&whole[..cut]);
    }
    assert!(matches!(object(b"k8s\0\x0a\x7f"), Err(ProtobufError::Wire(wire::Error::Cut))));
    assert!(matches!(object(b"{}"), Err(ProtobufError::Foreign)));
    let text = body("v1", "ConfigMap", message().message(1, message().bytes(1, [0xff])));
    assert_eq!(object(&text).unwrap_err().to_string(), "metadata.name: field 1 is not UTF-8");
    let number = body("v1", "ConfigMap", message().message(1, message().number(1, 7)));
    assert_eq!(object(&number).unwrap_err().to_string(), "metadata.name: field 1 has another type");
    let nested = (0..200).fold(message(), |inner, _| message().message(28, inner));
    let mut into = Map::new();
    let outcome = read("apiextensions.v1.JSONSchemaProps", &nested.0, 0, &mut into);
    let Err(ProtobufError::At { path, why }) = outcome else { panic!("{outcome:?}") };
    assert!(path.starts_with("not.not.") && matches!(*why, ProtobufError::Depth));
}
