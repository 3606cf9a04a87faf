//! `importar`: documents are looked at before anything is stored, and the user is told what comes next.

use std::io::Write;
use std::path::Path;

use super::output::{file_name, read_document};
use super::{CommandError, ImportCommand, Surroundings};
use crate::records::{self, Access, NewContract, NewModel, NewVersion};
use crate::records::{RecordId, State};

pub(super) fn run(
    command: ImportCommand,
    around: &Surroundings<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match command {
        ImportCommand::Model {
            original,
            tagged,
            name,
        } => model((&original, &tagged, name), around, out),
        ImportCommand::Contract {
            model,
            number,
            title,
        } => contract(
            &NewContract {
                model,
                number,
                title,
            },
            around,
            out,
        ),
        ImportCommand::Version {
            contract,
            name,
            file,
        } => version((contract, name, &file), around, out),
    }
}

fn model(
    (original, tagged, name): (&Path, &Path, Option<String>),
    around: &Surroundings<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let name = name.unwrap_or_else(|| {
        original
            .file_stem()
            .map_or_else(|| file_name(original), lossy)
    });
    let (original, _) = read_document(original, around)?;
    let (tagged, _) = read_document(tagged, around)?;
    let model = NewModel {
        name,
        original,
        tagged,
    };
    let id = records::open(around.store, Access::Write)?.import_model(&model, around.now())?;
    writeln!(out, "modelo {id} importado: {}", model.name)?;
    writeln!(
        out,
        "próximos passos: as tags são extraídas no próximo ciclo (orquestrador --single-run);"
    )?;
    writeln!(
        out,
        "depois, para comparar contratos deste modelo: orquestrador marcar modelo {id} publicado"
    )?;
    Ok(())
}

fn contract(
    contract: &NewContract,
    around: &Surroundings<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let id = records::open(around.store, Access::Write)?.import_contract(contract, around.now())?;
    writeln!(out, "contrato {id} importado: {}", contract.number)?;
    writeln!(
        out,
        "próximo passo: orquestrador importar versao --contrato {id} ARQUIVO.docx"
    )?;
    Ok(())
}

fn version(
    (contract, name, file): (RecordId, Option<String>, &Path),
    around: &Surroundings<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (file, _) = read_document(file, around)?;
    let version = NewVersion {
        contract,
        name,
        file,
    };
    let mut records = records::open(around.store, Access::Write)?;
    let id = records.import_version(&version, around.now())?;
    writeln!(
        out,
        "versão {id} importada: {} do contrato {}",
        version.file.name, version.contract
    )?;
    let (model, state) = records.model_of_contract(&version.contract)?;
    write_next_steps((&id, &model, state), out)
}

fn write_next_steps(
    (id, model, state): (&RecordId, &RecordId, State),
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if state == State::Published {
        writeln!(
            out,
            "próximos passos: ela é comparada no próximo ciclo (orquestrador --single-run);"
        )?;
        writeln!(out, "depois: orquestrador relatorio {id} -o relatorio.html")?;
        return Ok(());
    }
    writeln!(
        out,
        "ela será comparada quando o modelo {model} estiver publicado"
    )?;
    if state == State::Waiting {
        writeln!(
            out,
            "primeiro, as tags do modelo são extraídas no próximo ciclo (orquestrador --single-run)"
        )?;
    }
    writeln!(
        out,
        "próximo passo: orquestrador marcar modelo {model} publicado"
    )?;
    Ok(())
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}
