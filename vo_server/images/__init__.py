"""Pixels: cutouts, previews, quicklook images and postage stamps, each a pure function on FITS files.

This room knows no HTTP and no database. `where` is always what an inventory says about a file, an absolute path or a
URL that fsspec knows, and never anything that a client said. A protocol needs

- `files.below(root, path)`: the `where` of an inventory's row;
- `files.facts(where)`: size, ETag and date of a file; `files.pieces(where, start, stop)`: its bytes, piece by piece;
- `image.opened(where)`: the header, the shape and the place on the sky of the image in a file;
- `cutout.cut(image, region, band)`: a part of it as FITS; `cutout.exact(image, lon, lat, ...)`: so many pixels about a
  place;
- `preview.gray((image, plane), region, look)` and `preview.colour(layers, region, look)`: PNG or JPEG;
- `quicklook.compress(image)` and `quicklook.restore(data)`;
- `stamp.stamp(...)`: the six planes about an extended source.

All of them are blocking: a server runs them in a thread. What goes wrong is a Fault: ImageFault for a file that is not
as the inventory says, NoPixelsError where nothing of an image was asked for, TooLargeError beyond a limit.
"""
