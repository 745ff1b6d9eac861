//! `man`: the manual, made from the same definition that reads the arguments.

use std::fs;
use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use segue::ErrorKind;

use crate::arguments::{Arguments, ManArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;

/// Prints the page of segue, or writes one page for it and for each verb into a folder, also for the verbs of verbs.
pub(crate) fn man(arguments: &ManArgs, program: &mut Program) -> Result<Exit, Problem> {
    let failed =
        |error: io::Error| Problem::new(ErrorKind::Internal, format!("cannot write the manual: {error}"));
    let mut command = Arguments::command();
    command.build();
    let Some(folder) = &arguments.folder else {
        let page = page(command).map_err(failed)?;
        program.output.bytes(&page);
        return Ok(Exit::Done);
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut pages = Vec::new();
    take_apart("segue", command, &mut pages);
    for command in pages {
        let path = folder.join(format!("{}.1", command.get_name()));
        let page = page(command).map_err(failed)?;
        fs::write(&path, page).map_err(failed)?;
        program.screen.progress(&path.display().to_string());
    }
    Ok(Exit::Done)
}

/// A command under its full name, and behind it the verbs it has.
fn take_apart(name: &str, command: Command, pages: &mut Vec<Command>) {
    let verbs: Vec<Command> = command.get_subcommands().cloned().collect();
    pages.push(command.name(name.to_owned()));
    for verb in verbs.into_iter().filter(|verb| verb.get_name() != "help") {
        take_apart(&format!("{name}-{}", verb.get_name()), verb, pages);
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}
