//! Tells code, comments and strings of a Rust file apart.
//!
//! In: the text of a file. Out: three texts with the same lines, each holding only its own kind and blanks
//! elsewhere, so that a word can be looked for in comments without meeting it in a string.
//! Invariant: line `n` of each channel is line `n` of the file.
//! It does not parse Rust; a file that rustc refuses still gets an answer.

/// The three channels of a file.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    /// Everything but the insides of comments, strings and characters.
    pub(crate) code: String,
    /// The insides of comments, their slashes included.
    pub(crate) comments: String,
    /// The insides of string literals.
    pub(crate) strings: String,
}

#[derive(Clone, Copy)]
enum Channel {
    Code,
    Comment,
    Text,
}

impl Mask {
    /// Splits `text`.
    pub(crate) fn of(text: &str) -> Self {
        let mut scan = Scan {
            chars: text.chars().collect(),
            at: 0,
            mask: Self::default(),
        };
        while scan.at < scan.chars.len() {
            scan.step();
        }
        scan.mask
    }
}

struct Scan {
    chars: Vec<char>,
    at: usize,
    mask: Mask,
}

impl Scan {
    fn step(&mut self) {
        match self.chars[self.at] {
            '/' if self.peek(1) == Some('/') => self.line_comment(),
            '/' if self.peek(1) == Some('*') => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            'r' if !self.after_word() || self.after_prefix() => match self.raw_hashes() {
                Some(hashes) => self.raw_string(hashes),
                None => self.take(1, Channel::Code),
            },
            _ => self.take(1, Channel::Code),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn is_word(c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    /// Whether the character before belongs to an identifier.
    fn after_word(&self) -> bool {
        self.at > 0 && Self::is_word(self.chars[self.at - 1])
    }

    /// Whether the character before is a lone `b` or `c`, the prefix of a byte or C string.
    fn after_prefix(&self) -> bool {
        self.at > 0
            && matches!(self.chars[self.at - 1], 'b' | 'c')
            && (self.at == 1 || !Self::is_word(self.chars[self.at - 2]))
    }

    /// Number of `#` when a raw string begins at an `r`.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.chars[self.at + 1..]
            .iter()
            .take_while(|c| **c == '#')
            .count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    /// Moves `count` characters into `channel`, blanks into the others.
    fn take(&mut self, count: usize, channel: Channel) {
        for _ in 0..count {
            let Some(&c) = self.chars.get(self.at) else { return };
            self.at += 1;
            let blank = if c == '\n' { '\n' } else { ' ' };
            let Mask {
                code,
                comments,
                strings,
            } = &mut self.mask;
            let (own, others) = match channel {
                Channel::Code => (code, [comments, strings]),
                Channel::Comment => (comments, [code, strings]),
                Channel::Text => (strings, [code, comments]),
            };
            own.push(c);
            for other in others {
                other.push(blank);
            }
        }
    }

    fn line_comment(&mut self) {
        let length = self.chars[self.at..].iter().take_while(|c| **c != '\n').count();
        self.take(length, Channel::Comment);
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => return,
                _ => {
                    self.take(1, Channel::Comment);
                    continue;
                }
            }
            self.take(2, Channel::Comment);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(1, Channel::Code);
        loop {
            match self.peek(0) {
                None => return,
                Some('"') => return self.take(1, Channel::Code),
                Some('\\') => self.take(2, Channel::Text),
                Some(_) => self.take(1, Channel::Text),
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        self.take(2 + hashes, Channel::Code);
        loop {
            let closes = self.peek(0) == Some('"') && (1..=hashes).all(|i| self.peek(i) == Some('#'));
            match self.peek(0) {
                None => return,
                Some(_) if closes => return self.take(1 + hashes, Channel::Code),
                Some(_) => self.take(1, Channel::Text),
            }
        }
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') {
            let rest = &self.chars[(self.at + 3).min(self.chars.len())..];
            let inside = rest.iter().take_while(|c| **c != '\'').count() + 2;
            self.take(1, Channel::Code);
            self.take(inside, Channel::Text);
            self.take(1, Channel::Code);
        } else if self.peek(2) == Some('\'') {
            self.take(1, Channel::Code);
            self.take(1, Channel::Text);
            self.take(1, Channel::Code);
        } else {
            self.take(1, Channel::Code);
        }
    }
}

#[cfg(test)]
mod tests;
