//! Writes Rust types as JSON.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use super::plain::plain;
use super::{Error, number};

/// Room for an ordinary event from the start.
const ROOM: usize = 2 << 10;

/// Writes a document.
pub fn write<T: Serialize + ?Sized>(document: &T) -> Result<String, Error> {
    let mut writer = Writer { out: String::with_capacity(ROOM) };
    document.serialize(&mut writer)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
}

impl Writer {
    /// The parts that every type needs are not inlined: their copies would be most of the code.
    #[inline(never)]
    fn text(&mut self, text: &str) {
        self.out.reserve(text.len() + 3);
        self.out.push('"');
        let mut rest = text;
        loop {
            // Special bytes are ASCII: a text can be cut before and after them.
            let (plain, special) = rest.split_at_checked(plain(rest.as_bytes())).unwrap_or((rest, ""));
            self.out.push_str(plain);
            let Some(byte) = special.bytes().next() else { break };
            self.escape(byte);
            rest = special.get(1..).unwrap_or_default();
        }
        self.out.push('"');
    }

    #[cold]
    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            b'"' | b'\\' => char::from(byte),
            _ => {
                let digit = |it: u8| char::from(if it < 10 { b'0' + it } else { b'a' + it - 10 });
                self.word("\\u00");
                self.out.push(digit(byte >> 4));
                self.out.push(digit(byte & 15));
                return;
            }
        };
        self.out.push('\\');
        self.out.push(short);
    }

    /// What stands before an element: a comma, unless it is the first.
    #[inline(never)]
    fn next(&mut self) {
        if !matches!(self.out.as_bytes().last(), Some(b'{' | b'[')) {
            self.out.push(',');
        }
    }

    #[inline(never)]
    fn key(&mut self, key: &str) {
        self.next();
        self.text(key);
        self.out.push(':');
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    #[inline(never)]
    fn signed(&mut self, number: i64) {
        if number < 0 {
            self.out.push('-');
        }
        number::whole(&mut self.out, number.unsigned_abs());
    }

    #[inline(never)]
    fn float(&mut self, number: f64) {
        if number.is_finite() { number::float(&mut self.out, number) } else { self.word("null") }
    }

    fn word(&mut self, word: &str) {
        self.out.push_str(word);
    }
}

/// An object or a list, and the brackets that end it.
struct Compound<'a> {
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
        number::whole(&mut self.out, it);
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
        let before = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        if self.writer.out.as_bytes().get(before) != Some(&b'"') {
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
