//! One step, and out: measured as a whole process by `bench W7`.

use segue_benches::floor::Floor;

fn main() -> anyhow::Result<()> {
    segue_benches::start::first_step(&Floor)
}
