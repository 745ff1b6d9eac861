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

/// Prints the page of segue, or writes one page for it and for each verb into a folder.
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
    let verbs: Vec<Command> = command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
        .cloned()
        .collect();
    let mut pages = vec![("segue.1".to_owned(), command)];
    for verb in verbs {
        let name = format!("segue-{}", verb.get_name());
        pages.push((format!("{name}.1"), verb.name(name)));
    }
    for (name, command) in pages {
        let page = page(command).map_err(failed)?;
        let path = folder.join(name);
        fs::write(&path, page).map_err(failed)?;
        program.screen.progress(&path.display().to_string());
    }
    Ok(Exit::Done)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}
