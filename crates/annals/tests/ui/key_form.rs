//! A key is a struct around one value, with a kind.

use annals::Key;

#[derive(Key)]
struct WithoutKind(String);

#[derive(Key)]
#[key]
struct EmptyKind(String);

#[derive(Key)]
#[key("Order")]
struct UpperCase(String);

#[derive(Key)]
#[key("order")]
struct Named {
    id: String,
}

#[derive(Key)]
#[key("order")]
struct Pair(String, String);

#[derive(Key)]
#[key("order")]
struct Generic<T>(T);

#[derive(Key)]
#[key("order")]
enum Choice {
    A,
}

fn main() {}
