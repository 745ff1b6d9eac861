//! The worker: the command line of Segue with the models and tools of the house, and fail points in it. What the harness
//! kills.

use std::process::ExitCode;

use segue_crash::effects::Effects;
use segue_crash::{crowd, house};

fn main() -> ExitCode {
    let effects = Effects::of_this_process();
    if std::env::args().nth(1).as_deref() == Some(crowd::VERB) {
        return crowd::work(&effects);
    }
    segue_cli::main_with(house::registry(&effects), house::models(&effects))
}
