use annals::Refusal;
use thiserror::Error;

#[derive(Debug, Error, Refusal)]
enum Stop {
    #[error("sold out")]
    SoldOut,
    #[error("only {left} left")]
    OutOfStock { left: u32 },
    #[error("{0}")]
    #[code("order.unknown")]
    NoSuchOrder(String),
}

#[derive(Debug, Error, Refusal)]
#[error("too late")]
struct TooLate;

#[derive(Debug, Error, Refusal)]
#[error("too early")]
#[code("early")]
struct TooEarly {
    _by: u32,
}

#[test]
fn a_code_is_the_name_in_snake_case_unless_written_out() {
    assert_eq!(Stop::SoldOut.code(), "sold_out");
    assert_eq!(Stop::OutOfStock { left: 1 }.code(), "out_of_stock");
    assert_eq!(Stop::NoSuchOrder("7".into()).code(), "order.unknown");
    assert_eq!(TooLate.code(), "too_late");
    assert_eq!(TooEarly { _by: 1 }.code(), "early");
}
