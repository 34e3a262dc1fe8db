/**
 * How a request is refused on the wire: the status says what kind of refusal it is, and the body is `{"detail": ...}`,
 * as workers of the compatible protocol expect. The tag exists in code only.
 */
import { Schema } from "effect"

const body = <Tag extends string>(tag: Tag) => ({ _tag: Schema.tagDefaultOmit(tag), detail: Schema.String })

export class BadRequest extends Schema.Error<BadRequest>("BadRequest")(body("BadRequest"), { httpApiStatus: 400 }) {
  override get message() {
    return this.detail
  }
}

export class Unauthorized extends Schema.Error<Unauthorized>("Unauthorized")(body("Unauthorized"), {
  httpApiStatus: 401
}) {
  override get message() {
    return this.detail
  }
}

export class Forbidden extends Schema.Error<Forbidden>("Forbidden")(body("Forbidden"), { httpApiStatus: 403 }) {
  override get message() {
    return this.detail
  }
}

export class NotFound extends Schema.Error<NotFound>("NotFound")(body("NotFound"), { httpApiStatus: 404 }) {
  override get message() {
    return this.detail
  }
}

export class Conflict extends Schema.Error<Conflict>("Conflict")(body("Conflict"), { httpApiStatus: 409 }) {
  override get message() {
    return this.detail
  }
}

export class TooLarge extends Schema.Error<TooLarge>("TooLarge")(body("TooLarge"), { httpApiStatus: 413 }) {
  override get message() {
    return this.detail
  }
}

export class BodyTimeout extends Schema.Error<BodyTimeout>("BodyTimeout")(body("BodyTimeout"), { httpApiStatus: 408 }) {
  override get message() {
    return this.detail
  }
}

export class Gone extends Schema.Error<Gone>("Gone")(body("Gone"), { httpApiStatus: 410 }) {
  override get message() {
    return this.detail
  }
}

export class PreconditionFailed extends Schema.Error<PreconditionFailed>("PreconditionFailed")(
  body("PreconditionFailed"),
  { httpApiStatus: 412 }
) {
  override get message() {
    return this.detail
  }
}

export class UnsupportedMediaType extends Schema.Error<UnsupportedMediaType>("UnsupportedMediaType")(
  body("UnsupportedMediaType"),
  { httpApiStatus: 415 }
) {
  override get message() {
    return this.detail
  }
}

/** Of tus' checksum extension. */
export class ChecksumMismatch extends Schema.Error<ChecksumMismatch>("ChecksumMismatch")(body("ChecksumMismatch"), {
  httpApiStatus: 460
}) {
  override get message() {
    return this.detail
  }
}

export class Locked extends Schema.Error<Locked>("Locked")(body("Locked"), { httpApiStatus: 423 }) {
  override get message() {
    return this.detail
  }
}

/** The shape of one entry of a 422 body. */
const InvalidField = Schema.Struct({
  type: Schema.String,
  loc: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  msg: Schema.String,
  ctx: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
})

/** `detail` is a list of what is wrong in the request, or a text where the request as a whole makes no sense. */
export class Unprocessable extends Schema.Error<Unprocessable>("Unprocessable")(
  {
    _tag: Schema.tagDefaultOmit("Unprocessable"),
    detail: Schema.Union([Schema.String, Schema.Array(InvalidField)])
  },
  { httpApiStatus: 422 }
) {
  override get message() {
    return typeof this.detail === "string"
      ? this.detail
      : this.detail.map((field) => `${field.loc.join(".")}: ${field.msg}`).join("; ")
  }
}

export class Unavailable extends Schema.Error<Unavailable>("Unavailable")(body("Unavailable"), { httpApiStatus: 503 }) {
  override get message() {
    return this.detail
  }
}

export class StorageFull extends Schema.Error<StorageFull>("StorageFull")(body("StorageFull"), { httpApiStatus: 507 }) {
  override get message() {
    return this.detail
  }
}
