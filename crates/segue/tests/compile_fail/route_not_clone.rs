//! A route is data, and data can be cloned.

use segue::Route;

#[derive(Route)]
enum Size {
    Short,
    Long,
}

fn main() {
    let _ = Size::Short;
    let _ = Size::Long;
}
