"""What a run learns from: the data set, its pictures' pixels, and what a teacher says of them."""

from __future__ import annotations

from dataclasses import dataclass

from glimpse_models.data.inspect import Findings
from glimpse_models.data.splits import DataSet
from glimpse_models.train.batches import Source
from glimpse_models.train.teaching import Taught


@dataclass(frozen=True)
class Pictures:
    """The data set, where its pictures' pixels come from, and what was found in them.

    `taught` is what a teacher says of the training pictures, if there is one.
    """

    data: DataSet
    train: Source
    validation: Source
    findings: Findings
    taught: Taught | None = None
