"""Which `.pt` files make a published model, and which model a file is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spelke.errors import InvalidInput, MissingData
from spelke.weights.published import read_predictor
from spelke.weights.table import MODELS, ModelRecord

RGB_QUANTIZER, FLOW_QUANTIZER = "rgb_quantizer.pt", "flow_quantizer.pt"
FLOW_TABLE = "flow_token_to_flow_vector_mapping.pt"
"""Names of the published files that all predictors share."""

_TOLERANCE = 0.001
"""Share by which the number of parameters may differ from the table's rounded one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFiles:
    """The `.pt` files of one model."""

    predictor: Path
    rgb_quantizer: Path
    flow_quantizer: Path
    flow_table: Path | None = None
    """What each flow code means; built from the flow quantizer where it is absent."""

    def all(self) -> list[Path]:
        """Those that are there to be read."""
        every = (self.predictor, self.rgb_quantizer, self.flow_quantizer, self.flow_table)
        return [path for path in every if path is not None]


def published_predictors() -> dict[str, str]:
    """File name of each published predictor to the name of its model."""
    return {
        record.files[0]: name for name, record in MODELS.items() if record.status == "published"
    }


def files_of(record: ModelRecord, folder: Path) -> PublishedFiles:
    """The files of one published model in the folder that they were fetched to."""
    places = {name: folder / name for name in record.files}
    return PublishedFiles(
        predictor=folder / record.files[0],
        rgb_quantizer=places[RGB_QUANTIZER],
        flow_quantizer=places[FLOW_QUANTIZER],
        flow_table=places.get(FLOW_TABLE),
    )


def find_files(folder: Path | None = None, **named: Path | None) -> PublishedFiles:
    """Published files in a folder, by their names, or wherever they are named to be.

    Args:
        folder: where those are that are not named.
        named: fields of `PublishedFiles`; None is not named.

    Raises:
        MissingData: the folder is absent, or a file that is needed.
        InvalidInput: the folder holds several predictors.
    """
    if folder is not None and not folder.is_dir():
        raise MissingData(f"there is no folder {folder}; name the one that holds the .pt files")
    wanted = {
        "predictor": list(published_predictors()),
        "rgb_quantizer": [RGB_QUANTIZER],
        "flow_quantizer": [FLOW_QUANTIZER],
        "flow_table": [FLOW_TABLE],
    }
    found: dict[str, Path] = {}
    missing: list[str] = []
    for field, names in wanted.items():
        places = [folder / name for name in names if folder and (folder / name).is_file()]
        given = named.get(field)
        if given is None and len(places) > 1:
            raise InvalidInput(
                f"{folder} holds {' and '.join(path.name for path in places)}; name one (--{field})"
            )
        if given is not None or places:
            found[field] = given or places[0]
        elif field != "flow_table":
            missing.append(f"{' or '.join(names)} (--{field.replace('_', '-')})")
    if missing:
        where = f"{folder} lacks" if folder else "no folder was named, so these are needed:"
        raise MissingData(f"{where} {', '.join(missing)}; download them or name them")
    return PublishedFiles(**found)


def known_folder(predictor: Path) -> Path:
    """Where the converted form of a published predictor belongs, so that its name finds it.

    Raises:
        InvalidInput: it is not one of the published predictors.
    """
    record = MODELS.get(published_predictors().get(predictor.name, ""))
    if record is not None and record.num_parameters is not None:
        state = read_predictor(predictor).state
        count = sum(tensor.numel() for tensor in state.values())
        if abs(count - record.num_parameters) <= _TOLERANCE * record.num_parameters:
            return record.folder
    raise InvalidInput(
        f"{predictor} is none of the published predictors ({', '.join(published_predictors())}), "
        "so it has no name here; say where the checkpoint goes (--out)"
    )
