"""Accuracy of the stations on anybody's data: `posemo evaluate coco | lift | emotion`."""
