use super::ArticleKind;

#[test]
fn charges_are_listed_and_everything_else_is_goods() {
    for code in [
        "POST",
        "DOT",
        "C2",
        "M",
        "m",
        "D",
        "S",
        "B",
        "CRUK",
        "BANK CHARGES",
        "AMAZONFEE",
        "amazonfee",
    ] {
        assert_eq!(ArticleKind::of(code), ArticleKind::Charge, "{code}");
    }
    for code in ["gift_0001_10", "gift_0001_50", "GIFT_0001_20"] {
        assert_eq!(ArticleKind::of(code), ArticleKind::Charge, "{code}");
    }
    for code in [
        "85123A",
        "85123a",
        "22423",
        "DCGS0003",
        "DCGSSBOY",
        "PADS",
        "POSTER",
        "gift_0002_10",
        "gift_000é_1",
    ] {
        assert_eq!(ArticleKind::of(code), ArticleKind::Goods, "{code}");
    }
}
