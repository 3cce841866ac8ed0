//! A JSON object that is read by taking fields out of it: what nobody took is left over for `extra`.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Extra;
use serde_json::Value;

/// An object of the vendor and the name of the field that it stood in, for messages about what is wrong with it.
#[derive(Debug, Default)]
pub struct Fields {
    name: &'static str,
    rest: Extra,
}

impl Fields {
    /// The object in `value`, called `name` in failures.
    pub fn new(name: &'static str, value: Value) -> Result<Self, Failure> {
        match value {
            Value::Object(rest) => Ok(Self { name, rest }),
            _ => Err(wrong(&format!("`{name}` is not an object"))),
        }
    }

    // The readers are not inlined: dozens of copies of them would make the component half as large again.

    /// Takes any value; null counts as absent.
    #[inline(never)]
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.rest.remove(key).filter(|it| !it.is_null())
    }

    /// Takes a text.
    #[inline(never)]
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.not(key, "a text")),
        }
    }

    /// Takes a whole number.
    #[inline(never)]
    pub fn int(&mut self, key: &str) -> Result<Option<i64>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| self.not(key, "a whole number")),
        }
    }

    /// Takes a whole number that must be there.
    #[inline(never)]
    pub fn need_int(&mut self, key: &str) -> Result<i64, Failure> {
        self.int(key)?.ok_or_else(|| wrong(&format!("`{}.{key}` is missing", self.name)))
    }

    /// Takes a yes or no; absent is no.
    pub fn flag(&mut self, key: &str) -> bool {
        self.take(key) == Some(Value::Bool(true))
    }

    /// Takes an object.
    #[inline(never)]
    pub fn object(&mut self, key: &'static str) -> Result<Option<Self>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(rest)) => Ok(Some(Self { name: key, rest })),
            Some(_) => Err(self.not(key, "an object")),
        }
    }

    /// Takes a list.
    #[inline(never)]
    pub fn list(&mut self, key: &str) -> Result<Vec<Value>, Failure> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.not(key, "a list")),
        }
    }

    /// True when the field is there and not null.
    pub fn has(&self, key: &str) -> bool {
        self.peek(key).is_some()
    }

    /// A look at a field that stays where it is.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.rest.get(key).filter(|it| !it.is_null())
    }

    /// The names of what is left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rest.keys().map(String::as_str)
    }

    /// What nobody took.
    pub fn rest(self) -> Extra {
        self.rest
    }

    fn not(&self, key: &str, what: &str) -> Failure {
        wrong(&format!("`{}.{key}` is not {what}", self.name))
    }
}

/// The failure for something that is not an update as Telegram documents it. Repeating cannot help.
pub fn wrong(what: &str) -> Failure {
    Failure::never("telegram.update", what)
}
