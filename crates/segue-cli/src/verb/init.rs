//! `init`: a project that runs as it is. Never replaces a file unless it is told to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use segue::ErrorKind;
use segue::file::suggest::Nearest;
use serde_json::json;

use crate::arguments::InitArgs;
use crate::config::FILE;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::templates::{TEMPLATES, Template};
use crate::trust;

/// Writes a template's files, and the schema of pipeline files for editors.
pub(crate) fn init(arguments: &InitArgs, program: &mut Program) -> Result<Exit, Problem> {
    if arguments.list {
        list(program);
        return Ok(Exit::Done);
    }
    let wanted = arguments.template.as_str();
    let Some(template) = TEMPLATES.iter().find(|template| template.name == wanted) else {
        let names = TEMPLATES.iter().map(|template| template.name);
        let problem = Problem::new(ErrorKind::NotFound, format!("template `{wanted}` does not exist"));
        return Err(match Nearest::of(wanted, names, "templates").hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    };
    let schema = serde_json::to_string_pretty(&segue::file::schema())
        .map_err(|error| Problem::new(ErrorKind::Internal, error.to_string()))?;
    let mut files: Vec<(PathBuf, &str)> = template
        .files
        .iter()
        .map(|(name, text)| (within(&arguments.folder, name), *text))
        .collect();
    files.push((within(&arguments.folder, ".segue/.gitignore"), "*\n"));
    files.push((within(&arguments.folder, ".segue/pipeline.v1.json"), &schema));
    if !arguments.force {
        refuse_to_replace(&files)?;
    }
    for (path, text) in &files {
        write(path, text, arguments.force).map_err(|error| {
            Problem::new(
                ErrorKind::Conflict,
                format!("cannot write `{}`: {error}", path.display()),
            )
        })?;
    }
    accept_own(&files, program);
    report(template, &arguments.folder, &files, program);
    Ok(Exit::Done)
}

/// What `init` writes itself may start programs without anybody looking at it again.
fn accept_own(files: &[(PathBuf, &str)], program: &Program) {
    for (path, _) in files.iter().filter(|(path, _)| path.ends_with(FILE)) {
        let kept = fs::read_to_string(path).and_then(|text| trust::accept(path, &text));
        if let Err(error) = kept {
            let shown = path.display();
            program
                .screen
                .line(&format!("`{shown}` is not accepted yet: {error}"));
            program.hint("`segue doctor --trust` accepts it");
        }
    }
}

/// All files in the way at once, and none is written. What `init` itself keeps for editors may be there.
fn refuse_to_replace(files: &[(PathBuf, &str)]) -> Result<(), Problem> {
    let in_the_way = |path: &&PathBuf| path.symlink_metadata().is_ok() && !is_own(path);
    let there: Vec<&PathBuf> = files.iter().map(|(path, _)| path).filter(in_the_way).collect();
    if there.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = there.iter().map(|path| format!("`{}`", path.display())).collect();
    let (verb, them) = if names.len() == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    let message = format!("{} {verb} there already; nothing was written", names.join(", "));
    Err(Problem::new(ErrorKind::Conflict, message)
        .hint(format!("replace {them} with `--force`, or name another folder")))
}

/// A file of the project, named without `./`.
fn within(folder: &Path, name: &str) -> PathBuf {
    match folder == Path::new(".") {
        true => PathBuf::from(name),
        false => folder.join(name),
    }
}

fn is_own(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with(".segue"))
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    // Between the look and the writing somebody else may have made the file.
    match force || is_own(path) {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    Ok(())
}

fn report(template: &Template, folder: &Path, files: &[(PathBuf, &str)], program: &mut Program) {
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    if program.common.json {
        program
            .output
            .object(&json!({"schema": "segue.init/1", "template": template.name, "files": names}));
    } else {
        program.output.document(&names.join("\n"));
    }
    let screen = program.screen;
    let style = screen.style();
    screen.progress("");
    screen.progress(&style.yellow(template.note));
    let into = if folder == Path::new(".") {
        String::new()
    } else {
        format!("cd {} && ", folder.display())
    };
    screen.progress(&format!("{} {into}{}", style.cyan("hint:"), template.run));
}

fn list(program: &mut Program) {
    if program.common.json {
        let templates: Vec<_> = TEMPLATES
            .iter()
            .map(|template| json!({"name": template.name, "about": template.about, "note": template.note}))
            .collect();
        program
            .output
            .object(&json!({"schema": "segue.init/1", "files": [], "templates": templates}));
        return;
    }
    let width = TEMPLATES
        .iter()
        .map(|template| template.name.len())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = TEMPLATES
        .iter()
        .map(|template| format!("{:<width$}  {}", template.name, template.about))
        .collect();
    program.output.document(&lines.join("\n"));
}
