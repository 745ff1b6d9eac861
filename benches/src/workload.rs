//! The workloads, their sizes and what is promised for each.
//!
//! A workload turns measurements into rows; how they are taken is the business of [`harness`](crate::harness) and of the
//! modules that measure processes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use crate::contender::{self, Contender};
use crate::floor::{Branches, Floor, InPlace};
use crate::harness::{Effort, Measured, Order, measure};
use crate::options::Options;
use crate::shape::Shape;
use crate::table::{Cell, Row, Table, Target};
use crate::{build, instructions, memory, program, start};
#[cfg(feature = "segue")]
use crate::{
    durable::{self, Workload},
    large::{self, Way},
    resume,
};

/// The workloads of the table, in its order.
pub const NAMES: [&str; 9] = ["W1", "W2", "W3", "W4", "W5", "W6", "W7", "W9", "W11"];

/// Steps between two looks at the clock: some milliseconds on the floor, so that a switch to another process weighs little.
const STEPS: usize = 20_000;

/// Measures what was asked for.
///
/// # Errors
///
/// When a workload is not known, a contender fails, or a result is wrong.
pub fn table(options: &Options) -> Result<Table> {
    for name in &options.workloads {
        ensure!(
            NAMES.contains(&name.as_str()),
            "workload `{name}` is not known: {}",
            NAMES.join(", ")
        );
    }
    let mut bench = Bench {
        runtime: options.flavour.start()?,
        contenders: contender::beside_floor(options.only.as_deref())?,
        options,
        table: Table::default(),
    };
    if ["W5", "W7", "W9", "W11"].iter().any(|name| options.wants(name)) {
        program::build_all()?;
    }
    for name in NAMES.iter().filter(|name| options.wants(name)) {
        match *name {
            "W1" => bench.steps("W1", "line of", &[10, 100, 1_000, 10_000], Shape::line, 1.0)?,
            "W2" => bench.steps("W2", "1 → W → 1, W =", &[10, 100, 1_000, 10_000], Shape::fan, 2.0)?,
            "W3" => bench.steps("W3", "50 levels ×", &[20], |width| Shape::lattice(50, width), 2.0)?,
            "W4" => bench.uneven()?,
            "W5" => {
                bench.pipelines()?;
                bench.waiting()?;
            }
            "W6" => bench.durable()?,
            "W7" => bench.start()?,
            "W9" => bench.large()?,
            _ => bench.resume()?,
        }
    }
    Ok(bench.table)
}

/// Counts instructions per step of a line.
///
/// # Errors
///
/// As for [`instructions::measure`].
pub fn instructions() -> Result<Table> {
    program::build_all()?;
    let mut table = Table::default();
    let mut cells = Vec::new();
    let mut floor = None;
    for contender in contender::all() {
        let per_step = instructions::measure(contender.name())?;
        let floor = *floor.get_or_insert(per_step);
        cells.push((contender.name(), Cell::over(per_step, per_step / floor)));
    }
    table.push(Row {
        workload: "W1",
        shape: format!(
            "line, {} to {} steps",
            instructions::LENGTHS[0],
            instructions::LENGTHS[1]
        ),
        unit: "instructions/step",
        cells,
        target: Target::TimesFloorAtMost(1.0),
    });
    Ok(table)
}

/// W12: the cold build.
///
/// # Errors
///
/// When the workspace does not build.
pub fn build() -> Result<Table> {
    let mut table = Table::default();
    let mut push = |shape: &str, unit, value, most| {
        let cells = vec![("segue", Cell::bare(value))];
        table.push(Row {
            workload: "W12",
            shape: shape.to_owned(),
            unit,
            cells,
            target: Target::AtMost(most),
        });
    };
    push(
        "cold release build, library",
        "s",
        build::library()?.taken.as_secs_f64(),
        60.0,
    );
    if let Some(binary) = build::binary()? {
        push(
            "cold release build, binary",
            "s",
            binary.taken.as_secs_f64(),
            360.0,
        );
        push("binary, stripped", "MB", binary.bytes as f64 / 1e6, 40.0);
    }
    Ok(table)
}

struct Bench<'a> {
    runtime: Runtime,
    contenders: Vec<Box<dyn Contender>>,
    options: &'a Options,
    table: Table,
}

/// Place of the floor among the contenders.
const FLOOR: usize = 0;

impl Bench<'_> {
    /// W1, W2 and W3: instant steps, runs one after the other.
    fn steps(
        &mut self,
        workload: &'static str,
        shape_name: &str,
        sizes: &[usize],
        shape_of: impl Fn(usize) -> Shape,
        most: f64,
    ) -> Result<()> {
        for size in self.options.sizes(sizes, 1_000) {
            let shape = Arc::new(shape_of(size));
            let runs = (STEPS / shape.steps()).max(1);
            let steps = (runs * shape.steps()) as f64;
            let measured = self.measure(workload, size, &self.contenders, &shape, runs, Order::InTurn)?;
            let per_step =
                |measured: &Measured, index| measured.median(index).wall.as_secs_f64() * 1e6 / steps;
            let cell = |index| Cell {
                value: per_step(&measured, index),
                ratio: Some(measured.wall_ratio(index, FLOOR)),
                cpu_ratio: Some(measured.cpu_ratio(index, FLOOR)),
            };
            let cells = self
                .contenders
                .iter()
                .enumerate()
                .map(|(index, of)| (of.name(), cell(index)))
                .collect();
            self.table.push(Row {
                workload,
                shape: format!("{shape_name} {size}"),
                unit: "µs/step",
                cells,
                target: Target::TimesFloorAtMost(most),
            });
            if workload == "W1" && size == 1_000 {
                let in_place: [Box<dyn Contender>; 1] = [Box::new(InPlace)];
                let measured = self.measure(workload, size, &in_place, &shape, runs, Order::InTurn)?;
                self.table.note(format!(
                    "W1, line of {size}: bare tokio without spawning takes {:.3} µs/step",
                    per_step(&measured, 0)
                ));
            }
        }
        Ok(())
    }

    /// W4: steps that take time; the floor walks each branch on its own, and so takes as long as the longest of them.
    fn uneven(&mut self) -> Result<()> {
        self.contenders[FLOOR] = Box::new(Branches);
        for size in self.options.sizes(&[2, 4], 2) {
            let shape = Arc::new(Shape::uneven(
                size,
                Duration::from_millis(200),
                Duration::from_millis(20),
            ));
            let longest = shape.critical_path().as_secs_f64();
            let measured = self.measure("W4", size, &self.contenders, &shape, 1, Order::InTurn)?;
            let wall = |index| measured.median(index).wall.as_secs_f64();
            let cell = |index| Cell::over(wall(index) * 1e3, measured.wall_ratio(index, FLOOR));
            let cells = self
                .contenders
                .iter()
                .enumerate()
                .map(|(index, of)| (of.name(), cell(index)))
                .collect();
            self.table.push(Row {
                workload: "W4",
                shape: format!("uneven branches, {size} × {size}"),
                unit: "ms",
                cells,
                target: Target::TimesFloorAtMost(1.01),
            });
            // Timers end up to a millisecond late, one after the other.
            let ends = self.contenders.iter().enumerate();
            let ends: Vec<_> = ends
                .map(|(i, of)| format!("{} {:.3}", of.name(), wall(i) / longest))
                .collect();
            self.table.note(format!(
                "W4, {size} × {size}, to the sum of waits on the longest way, {:.0} ms: {}",
                longest * 1e3,
                ends.join(", ")
            ));
        }
        self.contenders[FLOOR] = Box::new(Floor);
        Ok(())
    }

    /// W5: pipelines of three steps, 100 at once.
    fn pipelines(&mut self) -> Result<()> {
        let shape = Arc::new(Shape::line(3));
        let runs = STEPS / 10;
        let measured = self.measure("W5", 100, &self.contenders, &shape, runs, Order::AtOnce(100))?;
        let cell = |index| Cell {
            value: runs as f64 / measured.median(index).wall.as_secs_f64() / 1e3,
            ratio: Some(measured.wall_ratio(FLOOR, index)),
            cpu_ratio: Some(measured.cpu_ratio(FLOOR, index)),
        };
        let cells = self
            .contenders
            .iter()
            .enumerate()
            .map(|(index, of)| (of.name(), cell(index)))
            .collect();
        self.table.push(Row {
            workload: "W5",
            shape: "3 steps, 100 at once".to_owned(),
            unit: "1,000 runs/s",
            cells,
            target: Target::TimesFloorAtLeast(0.65),
        });
        Ok(())
    }

    /// W5: bytes per run that waits on a model.
    fn waiting(&mut self) -> Result<()> {
        for runs in self.options.sizes(&[1_000, 10_000], 1_000) {
            let mut cells = Vec::new();
            let mut floor = None;
            for contender in &self.contenders {
                eprintln!("W5, {runs} waiting: {}", contender.name());
                let kilobytes = memory::measure(contender.name(), runs)? / 1e3;
                let floor = *floor.get_or_insert(kilobytes);
                cells.push((contender.name(), Cell::over(kilobytes, kilobytes / floor)));
            }
            self.table.push(Row {
                workload: "W5",
                shape: format!("{runs} waiting on a model"),
                unit: "KB/run",
                cells,
                target: Target::AtMost(2.0),
            });
        }
        Ok(())
    }

    /// W7: process start to the first step done.
    fn start(&mut self) -> Result<()> {
        eprintln!("W7");
        let names: Vec<&'static str> = self.contenders.iter().map(|of| of.name()).collect();
        // A start takes milliseconds and varies much, so it is repeated more often than a sample of many steps.
        let taken = start::measure(&names, self.options.rounds * 4)?;
        let cell = |(seconds, ratio): (f64, f64)| Cell::over(seconds * 1e3, ratio);
        self.table.push(Row {
            workload: "W7",
            shape: "process start to first step done".to_owned(),
            unit: "ms",
            cells: names.into_iter().zip(taken.into_iter().map(cell)).collect(),
            target: Target::TimesFloorAtMost(1.5),
        });
        Ok(())
    }

    /// W6: runs that are kept, beside bare SQLite.
    #[cfg(feature = "segue")]
    fn durable(&mut self) -> Result<()> {
        let workload = |shape: String, steps, map, runs, order, group| Workload {
            shape,
            steps,
            map,
            runs,
            order,
            group,
        };
        let mut workloads = Vec::new();
        for steps in self.options.sizes(&[100, 1_000], 1_000) {
            let shape = format!("kept: line of {steps}");
            workloads.push(workload(shape, steps, false, 2_000 / steps, Order::InTurn, 1));
        }
        for width in self.options.sizes(&[100, 1_000], 1_000) {
            let shape = format!("kept: 3 steps, {width} at once");
            workloads.push(workload(shape, 3, false, 2_000, Order::AtOnce(width), 100));
        }
        for items in self.options.sizes(&[10_000], 1_000) {
            let shape = format!("kept: map of {items}");
            workloads.push(workload(shape, items, true, 1, Order::InTurn, 100));
        }
        let shape = self.options.shape.clone().unwrap_or_default();
        workloads.retain(|workload| workload.shape.contains(&shape));
        for workload in workloads {
            eprintln!("W6, {}", workload.shape);
            let rates = durable::measure(&self.runtime, &workload, self.options.rounds)?;
            let segue = Cell {
                value: rates.segue / 1e3,
                ratio: Some(rates.ratio),
                cpu_ratio: Some(rates.cpu_ratio),
            };
            let least = if workload.group == 1 { 0.9 } else { 0.25 };
            self.table.push(Row {
                workload: "W6",
                shape: workload.shape,
                unit: "1,000 steps/s",
                cells: vec![("floor", Cell::bare(rates.floor / 1e3)), ("segue", segue)],
                target: Target::TimesFloorAtLeast(least),
            });
        }
        Ok(())
    }

    /// W9: what large data costs in memory.
    #[cfg(feature = "segue")]
    fn large(&mut self) -> Result<()> {
        let ways = [
            (
                "100 MB by reference, three kept steps",
                Way::Reference,
                100_000_000,
            ),
            (
                "1 GB by reference, three kept steps",
                Way::Reference,
                1_000_000_000,
            ),
            (
                "100 MB as an output, three kept steps, beyond it",
                Way::Value,
                100_000_000,
            ),
        ];
        for (shape, way, bytes) in ways {
            eprintln!("W9, {shape}");
            let megabytes = |way| large::measure(way, bytes).map(|bytes| bytes as f64 / 1e6);
            let mut growth = megabytes(way)?;
            if way == Way::Value {
                let (alone, in_memory) = (megabytes(Way::Alone)?, megabytes(Way::ValueInMemory)?);
                self.table.note(format!(
                    "W9: the output alone takes {alone:.1} MB, the kept run with it {growth:.1} MB, and a run in memory \
                     {in_memory:.1} MB"
                ));
                growth -= alone;
            }
            self.table.push(Row {
                workload: "W9",
                shape: shape.to_owned(),
                unit: "MB of growth",
                cells: vec![("segue", Cell::bare(growth))],
                target: Target::AtMost(64.0),
            });
        }
        Ok(())
    }

    /// W11: how soon what another process has left goes on.
    #[cfg(feature = "segue")]
    fn resume(&mut self) -> Result<()> {
        for runs in self.options.sizes(&[100, 10_000], 1_000) {
            eprintln!("W11, {runs} unfinished runs");
            let resumed = resume::measure(runs, self.options.rounds.min(7))?;
            self.table.push(Row {
                workload: "W11",
                shape: format!("start to first resumed step, {runs} unfinished"),
                unit: "s",
                cells: vec![("segue", Cell::bare(resumed.first))],
                target: Target::AtMost(if runs <= 100 { 2.0 } else { 5.0 }),
            });
            self.table.note(format!(
                "W11, {runs} unfinished: all of them go on after {:.3} s",
                resumed.all
            ));
        }
        Ok(())
    }

    /// Without the library there is nothing to measure.
    #[cfg(not(feature = "segue"))]
    fn durable(&mut self) -> Result<()> {
        Ok(())
    }

    /// Without the library there is nothing to measure.
    #[cfg(not(feature = "segue"))]
    fn large(&mut self) -> Result<()> {
        Ok(())
    }

    /// Without the library there is nothing to measure.
    #[cfg(not(feature = "segue"))]
    fn resume(&mut self) -> Result<()> {
        Ok(())
    }

    fn measure(
        &self,
        workload: &str,
        size: usize,
        contenders: &[Box<dyn Contender>],
        shape: &Arc<Shape>,
        runs: usize,
        order: Order,
    ) -> Result<Measured> {
        eprintln!("{workload}, {size}");
        let effort = Effort {
            rounds: self.options.rounds,
            runs,
            order,
        };
        measure(&self.runtime, contenders, shape, effort)
    }
}
