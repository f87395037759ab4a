//! Server-sent events, read from bytes as they come.
//!
//! In: pieces of a stream, cut anywhere. Out: whole messages. An unfinished message at the end of a stream is not
//! one. A line longer than [`LINE_BYTES_MAX`] ends the reading.

/// The longest line, in bytes: an event's content and what surrounds it.
const LINE_BYTES_MAX: usize = 32 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// Its topic: `event`, `caught-up`, `progress`, `reset`, `problem`.
    pub(crate) topic: String,
    /// Its id, if it brought one.
    pub(crate) id: Option<String>,
    /// Its content; lines are separated by line feeds.
    pub(crate) data: String,
}

/// A line beyond all measure.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected lines of at most {LINE_BYTES_MAX} bytes in a live stream, found a longer one")]
pub(crate) struct TooLong;

/// Puts messages together.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    message: Message,
    begun: bool,
}

impl Parser {
    /// Takes a piece and gives the messages that became whole with it.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut whole = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() > LINE_BYTES_MAX {
                return Err(TooLong);
            }
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                whole.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(whole)
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return std::mem::take(&mut self.begun).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.message.topic = value.to_owned(),
            "id" => self.message.id = Some(value.to_owned()),
            "data" => {
                if self.begun {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.begun = true;
            }
            // A comment, `retry`, or a field that does not concern us.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Parser};

    const STREAM: &str = concat!(
        "retry: 2000\n\nid: 6\nevent: event\ndata: {\"a\":\ndata: 1}\n\n: ping\n\n",
        "event: caught-up\r\ndata: {}\r\n\r\ndata: unfin"
    );

    fn message(topic: &str, id: Option<&str>, data: &str) -> Message {
        Message {
            topic: topic.into(),
            id: id.map(Into::into),
            data: data.into(),
        }
    }

    #[test]
    fn messages_are_whole_however_the_stream_is_cut() {
        let wanted = [
            message("event", Some("6"), "{\"a\":\n1}"),
            message("caught-up", None, "{}"),
        ];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let found: Vec<Message> = pieces.flat_map(|piece| parser.take(piece).unwrap()).collect();
            assert_eq!(found, wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 16 << 20];
        assert_eq!(parser.take(&piece), Ok(Vec::new()));
        assert_eq!(parser.take(&piece), Ok(Vec::new()));
        assert!(parser.take(&piece).is_err());
    }
}
