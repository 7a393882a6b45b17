/** From OKLCH, in which equal steps look equal, to the pixels of an ImageData. */

export interface Oklch {
  l: number // 0 black … 1 white
  c: number // 0 grey … about 0.3
  h: number // degrees
}

/** An opaque pixel as a Uint32 of a little-endian ImageData: 0xAABBGGRR. Every browser's platform is such. */
export function oklchToPixel({ l, c, h }: Oklch): number {
  const angle = (h * Math.PI) / 180
  const [r, g, b] = oklabToRGB(l, c * Math.cos(angle), c * Math.sin(angle))
  return ((255 << 24) | (byte(b) << 16) | (byte(g) << 8) | byte(r)) >>> 0
}

/** Björn Ottosson's matrices, linear sRGB out. */
function oklabToRGB(lightness: number, a: number, b: number): [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ]
}

function byte(linear: number): number {
  const clamped = Math.min(Math.max(linear, 0), 1)
  const encoded = clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055
  return Math.round(255 * encoded)
}

/** WCAG contrast of two pixels, 1 … 21. */
export function contrast(a: number, b: number): number {
  const [dark, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (bright + 0.05) / (dark + 0.05)
}

function luminance(pixel: number): number {
  const linear = (byte_: number) => {
    const c = byte_ / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  }
  return (
    0.2126 * linear(pixel & 255) + 0.7152 * linear((pixel >> 8) & 255) + 0.0722 * linear((pixel >> 16) & 255)
  )
}
