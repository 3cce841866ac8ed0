//! Writes Rust types as JSON.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use serde_json::Value;

use super::Error;
use super::writer::Writer;

/// Writes a document.
pub fn write<T: Serialize + ?Sized>(document: &T) -> Result<String, Error> {
    let mut writer = Writer::roomy();
    document.serialize(&mut writer)?;
    Ok(writer.finish())
}

/// Writes a value, for which no type's own code is needed.
#[inline(never)]
pub(crate) fn write_value(value: &Value) -> String {
    let mut writer = Writer::roomy();
    writer.value(value);
    writer.finish()
}

/// An object or a list, and the brackets that end it.
pub struct Compound<'a> {
    writer: &'a mut Writer,
    end: &'static str,
}

impl Compound<'_> {
    fn finish(self) {
        self.writer.word(self.end);
    }
}

impl<'a> Writer {
    fn list(&'a mut self) -> Compound<'a> {
        self.open('[');
        Compound { writer: self, end: "]" }
    }

    fn object(&'a mut self) -> Compound<'a> {
        self.open('{');
        Compound { writer: self, end: "}" }
    }

    /// `{"variant":` and what follows.
    fn variant(&mut self, variant: &str) {
        self.open('{');
        self.key(variant);
    }
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    fn serialize_bool(self, it: bool) -> Result<(), Error> {
        self.word(if it { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, it: i8) -> Result<(), Error> {
        self.serialize_i64(it.into())
    }

    fn serialize_i16(self, it: i16) -> Result<(), Error> {
        self.serialize_i64(it.into())
    }

    fn serialize_i32(self, it: i32) -> Result<(), Error> {
        self.serialize_i64(it.into())
    }

    fn serialize_i64(self, it: i64) -> Result<(), Error> {
        self.signed(it);
        Ok(())
    }

    fn serialize_u8(self, it: u8) -> Result<(), Error> {
        self.serialize_u64(it.into())
    }

    fn serialize_u16(self, it: u16) -> Result<(), Error> {
        self.serialize_u64(it.into())
    }

    fn serialize_u32(self, it: u32) -> Result<(), Error> {
        self.serialize_u64(it.into())
    }

    fn serialize_u64(self, it: u64) -> Result<(), Error> {
        self.unsigned(it);
        Ok(())
    }

    fn serialize_f32(self, it: f32) -> Result<(), Error> {
        self.serialize_f64(it.into())
    }

    fn serialize_f64(self, it: f64) -> Result<(), Error> {
        self.float(it);
        Ok(())
    }

    fn serialize_char(self, it: char) -> Result<(), Error> {
        self.text(it.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, it: &str) -> Result<(), Error> {
        self.text(it);
        Ok(())
    }

    fn serialize_bytes(self, it: &[u8]) -> Result<(), Error> {
        it.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, it: &T) -> Result<(), Error> {
        it.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.word("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, it: &T) -> Result<(), Error> {
        it.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, variant: &'static str, it: &T) -> Result<(), Error> {
        self.variant(variant);
        it.serialize(&mut *self)?;
        self.word("}");
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.variant(variant);
        Ok(Compound { end: "]}", ..self.list() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        Ok(self.object())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        Ok(self.object())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        self.variant(variant);
        Ok(Compound { end: "}}", ..self.object() })
    }
}

impl Compound<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.writer.next();
        value.serialize(&mut *self.writer)
    }

    fn entry<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.writer.key(key);
        value.serialize(&mut *self.writer)
    }
}

impl SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeTupleVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.entry(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeStructVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.entry(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.writer.next();
        let before = self.writer.length();
        key.serialize(&mut *self.writer)?;
        if !self.writer.is_text_at(before) {
            return Err(serde::ser::Error::custom("the key of an object is not a text"));
        }
        self.writer.word(":");
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::write;

    #[test]
    fn values_are_written_as_serde_json_writes_them() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!([true, false, 0, -1, i64::MIN, u64::MAX, 1.5, "x", [], {}, [[]]]),
            json!({ "a": { "b": [1, { "c": null }] }, "": "", "я\"\\": "\u{0}\u{1f}\n\r\t\u{7f}😀/" }),
        ] {
            let written = write(&value).expect("a document");
            assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), value, "{written}");
            if !written.contains("u0") && !written.contains("1.5") {
                assert_eq!(written, value.to_string());
            }
        }
    }

    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        One(u8),
        Two(u8, char),
        Named { a: Option<u8>, b: (u8, &'static str) },
    }

    #[test]
    fn every_shape_of_rust_is_written_as_serde_json_writes_it() {
        let shapes = [Shape::Unit, Shape::One(1), Shape::Two(2, 'я'), Shape::Named { a: None, b: (3, "x") }];
        assert_eq!(write(&shapes), serde_json::to_string(&shapes).map_err(|error| super::Error(error.to_string())));
    }

    #[test]
    fn a_key_that_is_no_text_is_refused() {
        assert!(write(&std::collections::BTreeMap::from([((), 1)])).is_err());
    }
}
