//! Whole numbers as JSON Schema counts them: `12.0` is an integer there (2020-12, validation, section 6.1.1), and languages with
//! one type of number write it.

use std::fmt::{self, Formatter};
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// Up to here every whole number has its own `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number, also one that is written with a fraction of zero. `null` is none.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(input: D) -> Result<Option<T>, D::Error> {
    input.deserialize_any(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<u64>> Visitor<'_> for Whole<T> {
    type Value = Option<T>;

    fn expecting(&self, out: &mut Formatter) -> fmt::Result {
        out.write_str("a whole number that is not negative")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        T::try_from(number).map(Some).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.fract() != 0.0 || !(0.0..EXACT).contains(&number) {
            return Err(E::invalid_value(Unexpected::Float(number), &self));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
        self.visit_u64(number as u64)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json};

    use crate::interaction::{Attachment, Call};

    #[test]
    fn a_fraction_of_zero_is_a_whole_number() {
        for (written, read) in [("12", 12), ("12.0", 12), ("1.2e1", 12), ("0", 0), ("-0.0", 0), ("4294967295", u32::MAX)] {
            let call: Call = from_str(&format!(r#"{{"id":"7","talk_s":{written}}}"#)).expect(written);
            assert_eq!(call.talk_s, Some(read), "{written}");
        }
        let call: Call = serde_json::from_value(json!({ "id": "7", "talk_s": null })).expect("null is none");
        assert_eq!(call.talk_s, None);
    }

    #[test]
    fn anything_else_is_refused() {
        for written in ["12.5", "-1", "-1.0", "4294967296", "1e300", "\"12\"", "true", "[]"] {
            assert!(from_str::<Call>(&format!(r#"{{"id":"7","talk_s":{written}}}"#)).is_err(), "{written}");
        }
        assert!(from_str::<Attachment>(r#"{"kind":"photo","size":9007199254740992.0}"#).is_err(), "no longer exact");
    }
}
