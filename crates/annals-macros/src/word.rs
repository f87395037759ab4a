//! The words that are stored for ever: kinds of keys, names of messages, codes of refusals.
//!
//! In: literals and Rust names. Out: nothing, or an error on the literal that says what is allowed and what was found.
//! The rule for kinds is the one of `annals::core::tag::Tag`; a name that passes here is a name every store takes.

use syn::{Error, LitStr, Result};

/// The longest message name; the limit of `annals::core::event::EventType`.
const NAME_BYTES_MAX: usize = 255;
/// The longest kind: the limit of a tag is 512 bytes, and the value needs room.
const KIND_BYTES_MAX: usize = 64;

/// The kind of a key: `order`.
pub(crate) fn check_kind(kind: &LitStr) -> Result<()> {
    let text = kind.value();
    if !is_word(&text) {
        let rule = "lower-case letters, digits, `_` and `-`, beginning with a letter";
        return Err(Error::new(
            kind.span(),
            format!("a kind is made of {rule}, such as \"order\"; found {text:?}"),
        ));
    }
    within(kind, &text, KIND_BYTES_MAX)
}

/// The name of an event or command: `order.placed`.
pub(crate) fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    if !text.contains('.') || !text.split('.').all(is_word) {
        let rule = "two or more lower-case words with dots between them";
        return Err(Error::new(
            name.span(),
            format!("a name is {rule}, such as \"order.placed\"; found {text:?}"),
        ));
    }
    within(name, &text, NAME_BYTES_MAX)
}

/// The code of a refusal: `out_of_stock`.
pub(crate) fn check_code(code: &LitStr) -> Result<()> {
    let text = code.value();
    if !text.split('.').all(is_word) {
        let rule = "lower-case words with `_`, `-` or `.`";
        return Err(Error::new(
            code.span(),
            format!("a code is made of {rule}, such as \"out_of_stock\"; found {text:?}"),
        ));
    }
    within(code, &text, NAME_BYTES_MAX)
}

fn within(literal: &LitStr, text: &str, bytes_max: usize) -> Result<()> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    Err(Error::new(
        literal.span(),
        format!("at most {bytes_max} bytes, found {}", text.len()),
    ))
}

fn is_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// A Rust name in snake case: `OutOfStock` is `out_of_stock`, `HTTPError` is `http_error`, `Sha256Wrong` is
/// `sha256_wrong`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        if begins_word(&letters, at) && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// A capital begins a word after a small letter or digit, and in front of a small letter.
fn begins_word(letters: &[char], at: usize) -> bool {
    let small = |at: usize| letters.get(at).is_some_and(|letter| letter.is_lowercase());
    at > 0 && letters[at].is_uppercase() && (!letters[at - 1].is_uppercase() || small(at + 1))
}

#[cfg(test)]
mod tests;
