//! The text format of protocol buffers, as far as Google's compiler writes it: fields and blocks,
//! one a line.

/// Fields of a message, in order.
#[derive(Debug, Default)]
pub struct Message(Vec<(String, Value)>);

#[derive(Debug)]
enum Value {
    Text(String),
    Message(Message),
}

impl Message {
    /// Parses lines; those before the first field (warnings) are passed over. `None`: there is no
    /// message at all.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut message = Self::default();
        message.read(&mut lines);
        (!message.0.is_empty()).then_some(message)
    }

    fn read<'t>(&mut self, lines: &mut impl Iterator<Item = &'t str>) {
        while let Some(line) = lines.next().map(str::trim) {
            if line == "}" {
                return;
            }
            if let Some(name) = line.strip_suffix(" {") {
                let mut inner = Self::default();
                inner.read(lines);
                self.0.push((name.to_owned(), Value::Message(inner)));
            } else if let Some((name, value)) = line.split_once(": ")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                let value = value.trim_matches('"').to_owned();
                self.0.push((name.to_owned(), Value::Text(value)));
            }
        }
    }

    /// The messages of this name.
    pub fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Self> {
        self.0.iter().filter_map(move |(field, value)| match value {
            Value::Message(message) if field == name => Some(message),
            _ => None,
        })
    }

    /// The text of a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts()
            .find(|(field, _)| *field == name)
            .map(|(_, text)| text)
    }

    /// All fields that hold text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(field, value)| match value {
            Value::Text(text) => Some((field.as_str(), text.as_str())),
            Value::Message(_) => None,
        })
    }
}
