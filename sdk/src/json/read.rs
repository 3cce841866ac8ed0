//! Reads Rust types out of a JSON value.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::Error;

/// Reads a `T` out of a value.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Reader(value))
}

struct Reader(Value);

/// Numbers, maps and lists may be asked for as anything; a visitor refuses what it did not expect.
impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(it),
            Value::Number(it) => match (it.as_u64(), it.as_i64()) {
                (Some(it), _) => visitor.visit_u64(it),
                (None, Some(it)) => visitor.visit_i64(it),
                (None, None) => visitor.visit_f64(it.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(it) => visitor.visit_string(it),
            Value::Array(it) => visitor.visit_seq(Items(it.into_iter())),
            Value::Object(it) => visitor.visit_map(Entries::of(it)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(it) => visitor.visit_string(it),
            _ => Err(unexpected(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(it) => visitor.visit_seq(Items(it.into_iter())),
            _ => Err(unexpected(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(it) => visitor.visit_map(Entries::of(it)),
            _ => Err(unexpected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let (name, content) = match self.0 {
            Value::String(name) => (name, Value::Null),
            Value::Object(map) => match map.into_iter().next() {
                Some(entry) => entry,
                None => return Err(unexpected(&visitor)),
            },
            _ => return Err(unexpected(&visitor)),
        };
        visitor.visit_enum(Choice { name, content })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

#[cold]
fn unexpected(expected: &dyn serde::de::Expected) -> Error {
    serde::de::Error::invalid_type(serde::de::Unexpected::Unit, expected)
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|it| seed.deserialize(Reader(it))).transpose()
    }
}

struct Entries {
    rest: serde_json::map::IntoIter,
    value: Value,
}

impl Entries {
    fn of(map: Map<String, Value>) -> Self {
        Self { rest: map.into_iter(), value: Value::Null }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = value;
        let key: StringDeserializer<Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Reader(self.value.take()))
    }
}

struct Choice {
    name: String,
    content: Value,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = Error;
    type Variant = Reader;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Reader), Error> {
        let name: StringDeserializer<Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Reader(self.content)))
    }
}

impl<'de> VariantAccess<'de> for Reader {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use patchbay_schemas::command::{LeadUpsert, MessageSend};
    use patchbay_schemas::{Event, Interaction};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::read;
    use crate::json::write;

    fn agrees<T: DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug>(document: &Value) {
        let ours = read::<T>(document.clone()).expect("readable");
        assert_eq!(ours, serde_json::from_value(document.clone()).expect("readable"));
        let written = write(&ours).expect("writable");
        assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), serde_json::to_value(&ours).expect("writable"));
    }

    #[test]
    fn what_the_hub_sends_is_read_as_serde_json_reads_it() {
        let person = json!({ "identities": [{ "kind": "handle", "value": "5", "label": "@anna" }], "name": { "given": "Анна" } });
        let call = json!({ "direction": "in", "person": person, "extra": { "n": 1.25, "deep": [{}, null] },
            "call": { "id": "1", "result": "missed", "started_at": "2026-03-14T09:26:53.25Z", "talk_s": 3 } });
        agrees::<Interaction>(&call);
        agrees::<Event>(&json!({ "id": "1", "kind": "call", "payload": call }));
        agrees::<MessageSend>(&json!({ "conversation": { "key": "5" }, "text": "x", "attachment": { "kind": "photo", "size": 12.0 },
            "buttons": [[{ "text": "a", "choice": "b" }, { "text": "c", "url": "d" }]] }));
        agrees::<LeadUpsert>(&json!({ "lead": {
            "id": "lead_1", "title": "x", "stage": { "name": "refused", "reason": "dear" },
            "contact": { "id": "con_1", "identities": [], "created_at": "2026-03-14T09:26:53Z" },
            "source": { "channel": "form", "connection": "cxn_1", "utm": { "source": "yandex" } },
            "created_at": "2026-03-14T09:26:53Z", "updated_at": "2026-03-14T09:26:53Z" } }));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_reason() {
        for (document, reason) in [
            (json!(5), "expected struct MessageSend"),
            (json!({}), "the field `conversation` is missing"),
            (json!({ "conversation": { "key": 5 } }), "expected a string"),
            (json!({ "conversation": { "key": "5" }, "buttons": [{}] }), "expected a sequence"),
            (json!({ "conversation": { "key": "5" }, "attachment": { "kind": "hologram" } }), "`hologram` is not one of the known values"),
        ] {
            assert_eq!(read::<MessageSend>(document).expect_err(reason).to_string(), reason);
        }
    }
}
