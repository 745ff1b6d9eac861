//! Wires: typed handles of what steps make, and how they become what other steps take.

use std::marker::PhantomData;

use crate::plan::Source;
use crate::run::Inputs;
use crate::step::unfit;
use crate::value::{Data, Value};
use crate::{Result, StepError};

/// The output of a step, before there is one: hand it to the steps that take it. Copying it copies a number.
pub struct Out<T> {
    wire: u32,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Out<T> {
    pub(super) fn new(wire: u32) -> Self {
        Self {
            wire,
            value: PhantomData,
        }
    }

    /// The same output where the step may have been left out: `None` then. For steps with `on_error(OnError::Skip)`.
    #[must_use]
    pub fn or_none(self) -> Out<Option<T>> {
        Out::new(self.wire)
    }

    pub(super) fn wire(self) -> u32 {
        self.wire
    }
}

/// The sources behind the wires of a definition. A handle is a number into this table.
pub(super) struct Wires(Vec<Source>);

impl Default for Wires {
    fn default() -> Self {
        Self(vec![Source::Input])
    }
}

impl Wires {
    pub(super) fn input(&self) -> u32 {
        0
    }

    pub(super) fn step(&mut self, step: u32) -> u32 {
        self.add(Source::Step(step))
    }

    pub(super) fn add(&mut self, source: Source) -> u32 {
        self.0.push(source);
        (self.0.len() - 1) as u32
    }

    /// A handle from another definition has no source here; it is read as the input, and the check refuses the plan
    /// only if that does not fit. Handles cannot leave the closure they are made for unless the author carries them out.
    pub(super) fn source(&self, wire: u32) -> Source {
        self.0.get(wire as usize).cloned().unwrap_or(Source::Input)
    }

    pub(super) fn sources(&self, wires: &[u32]) -> Vec<Source> {
        wires.iter().map(|wire| self.source(*wire)).collect()
    }
}

/// Handles that together make what a step takes: one, a tuple in the order of its parameters, or a list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not carry the `{I}` this step takes",
    label = "this carries something else",
    note = "the types of an edge have to be the same on both sides; a step with several parameters takes a tuple of handles, in order"
)]
pub trait IntoInput<I> {
    /// The wires, in order.
    #[doc(hidden)]
    fn wires(&self) -> Vec<u32>;

    /// What came over them.
    ///
    /// # Errors
    /// When a value that came as JSON does not fit.
    #[doc(hidden)]
    fn take(inputs: Carried) -> Result<I>;
}

/// What came over the wires of a step.
pub struct Carried(pub(super) Inputs);

impl Carried {
    fn one<T: Data>(self) -> Result<T> {
        match self.0 {
            Inputs::One(value) => value.take().map_err(|error| unfit(&error)),
            _ => Err(miswired()),
        }
    }

    fn many(self) -> Vec<Value> {
        match self.0 {
            Inputs::One(value) => vec![value],
            Inputs::Many(values) => values,
            Inputs::None | Inputs::Facts(_) => Vec::new(),
        }
    }
}

fn miswired() -> StepError {
    StepError::of(
        crate::ErrorKind::Internal,
        "the step was given another number of values than it takes",
    )
}

impl IntoInput<()> for () {
    fn wires(&self) -> Vec<u32> {
        Vec::new()
    }

    fn take(_: Carried) -> Result<()> {
        Ok(())
    }
}

impl<T: Data> IntoInput<T> for Out<T> {
    fn wires(&self) -> Vec<u32> {
        vec![self.wire]
    }

    fn take(inputs: Carried) -> Result<T> {
        inputs.one()
    }
}

/// Any number of handles of one type: what a wide join takes.
impl<T: Data> IntoInput<Vec<T>> for Vec<Out<T>> {
    fn wires(&self) -> Vec<u32> {
        self.iter().map(|out| out.wire).collect()
    }

    fn take(inputs: Carried) -> Result<Vec<T>> {
        inputs
            .many()
            .into_iter()
            .map(|value| value.take().map_err(|error| unfit(&error)))
            .collect()
    }
}

macro_rules! tuples {
    ($($name:ident $at:tt),*) => {
        impl<$($name: Data),*> IntoInput<($($name),*)> for ($(Out<$name>),*) {
            fn wires(&self) -> Vec<u32> {
                vec![$(self.$at.wire),*]
            }

            fn take(inputs: Carried) -> Result<($($name),*)> {
                let mut values = inputs.many().into_iter();
                Ok(($({
                    let value = values.next().ok_or_else(miswired)?;
                    value.take::<$name>().map_err(|error| unfit(&error))?
                }),*))
            }
        }
    };
}

tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
