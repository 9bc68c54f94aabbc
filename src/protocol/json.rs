//! Answers in JSON, written member by member into one buffer.

use serde_json::Value;

/// A JSON object that is being written.
pub(crate) struct Object {
    json: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self { json: String::with_capacity(512) }
    }

    /// A string.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        self.push_text(value);
    }

    /// A string in which nothing has to be escaped, such as scope values, which hold neither quotes nor backslashes nor
    /// controls (RFC 6749 appendix A.4). Left out if it is empty.
    pub(crate) fn plain(&mut self, name: &'static str, value: &str) {
        if !value.is_empty() {
            self.name(name);
            self.push_plain(value);
        }
    }

    /// An array of strings.
    pub(crate) fn texts<'t>(&mut self, name: &'static str, values: impl IntoIterator<Item = &'t str>) {
        self.name(name);
        let mut separator = "[";
        for value in values {
            self.json.push_str(separator);
            self.push_text(value);
            separator = ",";
        }
        self.json.push_str(if separator == "[" { "[]" } else { "]" });
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.json.push_str(itoa::Buffer::new().format(value));
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.json.push_str(if value { "true" } else { "false" });
    }

    /// A member that somebody else named.
    pub(crate) fn member(&mut self, name: &str, value: &Value) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.push_text(name);
        self.json.push(':');
        self.json.push_str(&value.to_string());
    }

    /// The object.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.json.push_str(if self.json.is_empty() { "{}" } else { "}" });
        self.json.into_bytes()
    }

    /// Names are ours and need no escaping.
    fn name(&mut self, name: &'static str) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.push_plain(name);
        self.json.push(':');
    }

    fn push_text(&mut self, text: &str) {
        let is_itself = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, |all, byte| all & is_itself(byte)) {
            self.push_plain(text);
        } else {
            self.json.push_str(&Value::from(text).to_string());
        }
    }

    fn push_plain(&mut self, text: &str) {
        self.json.push('"');
        self.json.push_str(text);
        self.json.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "\\PC*|[\\x00-\\x7f]*", plain in "[ -!#-~&&[^\\\\]]*", texts: Vec<String>, number: u64, flag: bool) {
            let mut object = Object::new();
            object.flag("flag", flag);
            object.text("text", &text);
            object.plain("plain", &plain);
            object.texts("texts", texts.iter().map(String::as_str));
            object.number("number", number);
            object.member(&format!("own {text}"), &texts.as_slice().into());
            let mut expected = serde_json::json!({"flag": flag, "text": text, "texts": texts, "number": number});
            expected[format!("own {text}")] = texts.into();
            if !plain.is_empty() {
                expected["plain"] = plain.into();
            }
            prop_assert_eq!(serde_json::from_slice::<Value>(&object.finish()).unwrap(), expected);
        }
    }

    #[test]
    fn an_object_may_be_empty() {
        assert_eq!(Object::new().finish(), b"{}");
    }
}
