"""Pixels: cutouts, previews, quicklook images and postage stamps, each a pure function of FITS files.

This room imports no HTTP and no database. `location` is always what an inventory says about a file, an absolute path or
a URL that fsspec supports, and never anything that a client sent. A protocol needs

- `storage.files.resolve_path(root, path)`: the location of an inventory's file;
- `storage.files.stat_file(location)`: size, ETag and time; `read_chunks(location, start, stop)`: the bytes;
- `image.open_image(location)`: the header, the shape and the WCS of the image in a file;
- `cutout.cut(image, region, band)`: a part of an image as FITS; `cutout.cut_to_size(image, lon, lat, ...)`: a given
  number of pixels about a position;
- `preview.render_gray((image, plane), region, style)` and `preview.render_colour(layers, region, style)`: PNG or JPEG;
- `quicklook.compress(image)` and `quicklook.restore(image)`;
- `stamp.build_stamp(...)`: the six planes about an extended source.

All of them block: a server runs them in a thread. They raise ServiceErrors: ImageError for a file that is not as the
inventory says, NoPixelsError for a request that misses the image, TooLargeError beyond a limit.
"""
