"""Labels as people have them: which form a folder, an archive or a list has, and its images with their labels.

A form is a file beside this one. They are asked in this order:
- `parquet`, as the Hugging Face hub has it: pictures inside, names of the classes in the schema;
- `webdataset`: tars with a label file beside each image;
- `folders`: class folders, with folders around them;
- `lists`: a CSV or TSV file with path and label, or a column a class;
- `coco`: a JSON file with boxes, which are cut out.
Where class folders and a list are both there, the list counts if it divides the images as the folders do, and
otherwise people are asked.
"""

from dataclasses import replace
from pathlib import Path

from farfield.datasets.layouts.forms import coco, folders, lists, parquet, webdataset
from farfield.datasets.layouts.forms.found import Labelled
from farfield.datasets.layouts.forms.holdings import Holdings, holdings_of
from farfield.errors import InputError

# What may hold labels or images, and is not looked into.
NOT_READ = {
    (".xlsx", ".xls", ".ods", ".numbers"): "save it as CSV (UTF-8)",
    (".rar", ".7z", ".tar.zst", ".tzst", ".gz", ".zst"): "unpack it, or pack it as zip or tar",
}

__all__ = ["Labelled", "labelled_images"]


def labelled_images(given: Path) -> Labelled:
    """The labelled images of a folder, a zip or tar archive, a CSV, TSV or JSON file of labels, or a parquet
    file.

    InputError if no form fits, or labels are missing, double or against each other; each says what was found.
    """
    if given.is_file() and given.suffix.lower() in (*lists.SUFFIXES, *coco.SUFFIXES):
        return (coco if given.suffix.lower() in coco.SUFFIXES else lists).labels_of_file(given)
    return labels_in(holdings_of(given))


def labels_in(holdings: Holdings) -> Labelled:
    """As `labelled_images`, of files that are known."""
    for form in (parquet, webdataset):
        if found := form.labels_in(holdings):
            return found
    listed, fault = None, None
    try:
        listed = lists.labels_in(holdings) or coco.labels_in(holdings)
    except InputError as error:
        fault = error
    try:
        by_folder = folders.class_folders_in(holdings)
    except InputError as error:
        if fault:
            raise fault from None
        if listed is None:
            closed = [
                f"{file.path} is not read: {cure}."
                for endings, cure in NOT_READ.items()
                for file in holdings.files
                if file.ends(*endings) and not file.is_image
            ]
            raise InputError(" ".join([str(error), *closed[:5]])) if closed else error from None
        return listed
    if fault:
        if _is_wrapped(by_folder):
            raise fault
        said = f"A list beside the class folders is not used. {fault}"
        return replace(by_folder, remarks=(*by_folder.remarks, said))
    if listed is None:
        return by_folder
    if listed.form.startswith("COCO") and not _is_wrapped(by_folder):
        said = (
            f"The class folders are used and not the {listed.form}; for these, give the file for the folder."
        )
        return replace(by_folder, remarks=(*by_folder.remarks, said))
    if _is_wrapped(by_folder) or _division(listed) == _division(by_folder):
        return listed
    raise InputError(
        f"{holdings.given} holds {listed.form} and class folders ({', '.join(by_folder.index.class_names[:5])}), "
        f"and they divide the images in different ways. To use the list, give it in place of the folder; to use "
        f"the folders, take the list out."
    )


def _is_wrapped(found: Labelled) -> bool:
    """Whether what look like class folders may as well be folders of images and of masks."""
    return any(name.lower() in folders.WRAPPERS for name in found.index.class_names)


def _division(found: Labelled) -> set[frozenset[str]]:
    """The images of each class."""
    classes: dict[int, set[str]] = {}
    for record in found.index.records:
        classes.setdefault(record.label, set()).add(record.path)
    return {frozenset(paths) for paths in classes.values()}
