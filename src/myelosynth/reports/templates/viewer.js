// The 3-plane viewer: NiiVue is unpacked and started at the first click, so that a page opens fast.
(() => {
  "use strict";
  const section = document.querySelector("section.viewer");
  const part = (selector) => section.querySelector(selector);
  const record = JSON.parse(part(".viewer-record").textContent);
  const axes = ["x", "y", "z"];
  let nv = null, opening = null, anatomy = null, outline = null, overlay = null;

  const told = (state, words) => {
    section.dataset.state = state;
    part(".viewer-state").textContent = words;
  };
  const choice = (name) => part(`input[name="viewer-${name}"]:checked`).value;

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  async function library() {
    const script = document.createElement("script");
    script.textContent = await unpacked(part(".viewer-library").textContent);
    document.head.append(script);
  }

  async function decoded(image, number) {
    const name = `image-${number}`, options = { base64: image.data, name: `${name}.nii.gz` };
    if (image.labels) return Object.assign(await niivue.NVImage.loadFromBase64(options), { told: image });
    nv.addColormap(name, image.map);
    const range = { cal_min: image.least, cal_max: image.high, colormap: name };
    return Object.assign(await niivue.NVImage.loadFromBase64({ ...options, ...range }), { told: image });
  }

  function labelled(volume) {
    const colours = volume.told.labels.map((entry) => parseInt(entry.colour.slice(1), 16));
    volume.setColormapLabel({
      R: [0, ...colours.map((c) => c >> 16)],
      G: [0, ...colours.map((c) => (c >> 8) & 255)],
      B: [0, ...colours.map((c) => c & 255)],
      A: [0, ...colours.map(() => 255)],
      I: [0, ...colours.map((_, n) => n + 1)],
      labels: ["", ...volume.told.labels.map((entry) => entry.words)],
    });
  }

  // anatomy, overlay, outline: drawn in this order
  function stack() {
    if (overlay) overlay.opacity = Number(part(".viewer-opacity").value) / 100;
    nv.volumes = [anatomy, overlay, part(".viewer-outline")?.checked ? outline : null].filter(Boolean);
    nv.back = nv.volumes[0];
    nv.overlays = nv.volumes.slice(1);
    nv.updateGLVolume();
    nv.createOnLocationChange();
  }

  function legend() {
    const key = part(".viewer-key"), image = overlay?.told;
    key.replaceChildren();
    if (!image) return;
    if (image.labels) {
      for (const entry of image.labels) {
        const words = document.createElement("span"), swatch = document.createElement("i");
        swatch.className = "swatch";
        swatch.style.background = entry.colour;
        words.append(swatch, entry.words);
        key.append(words);
      }
      return;
    }
    const bar = document.createElement("i"), map = image.map;
    bar.className = "bar";
    const nodes = map.R.slice(1).map((red, n) => `rgb(${red} ${map.G[n + 1]} ${map.B[n + 1]})`);
    bar.style.background = `linear-gradient(to right, ${nodes.join(", ")})`;
    key.append(image.low.toFixed(2), bar, `${image.high.toFixed(2)} ${image.unit}`);
  }

  const cache = new Map();
  async function choose(number) {
    if (number !== "none" && !cache.has(number)) cache.set(number, await decoded(record.images[number], number));
    overlay = cache.get(number) ?? null;
    if (overlay?.told.labels) labelled(overlay);
    stack();
    legend();
  }

  function located(message) {
    const mm = [...message.mm].slice(0, 3);
    mm.forEach((value, axis) => { part(`.viewer-${axes[axis]}`).value = value; });
    const place = axes.map((name, axis) => `${name} ${Math.round(mm[axis])}`).join(", ");
    let value = "";
    if (overlay) {
      const found = overlay.getValue(...overlay.mm2vox(mm)), image = overlay.told;
      if (image.labels) value = image.labels[Math.round(found) - 1]?.words ?? "no lesion";
      else if (found < image.least) value = "outside";
      else value = `${found <= image.low + 1e-6 ? "at most " : ""}${found.toFixed(2)} ${image.unit}`;
      value = `; ${image.group}, ${image.name}: ${value}`;
    }
    part(".viewer-where").textContent = `${place} mm${value}`.replaceAll("-", "−");
  }

  function move(mm) {
    nv.scene.crosshairPos = nv.mm2frac(mm);
    nv.drawScene();
    nv.createOnLocationChange();
  }

  function planes() {
    const kinds = { all: nv.sliceTypeMultiplanar, axial: nv.sliceTypeAxial, coronal: nv.sliceTypeCoronal };
    nv.setSliceType(kinds[choice("planes")] ?? nv.sliceTypeSagittal);
  }

  async function start() {
    if (!document.createElement("canvas").getContext("webgl2")) throw new Error("this browser has no WebGL 2");
    told("loading", "Opening …");
    await library();
    part(".viewer-stage").hidden = false;
    nv = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.34, 0.71, 0.91, 0.9], fontColor: [1, 1, 1, 1], loadingText: "",
      isRadiologicalConvention: true, sagittalNoseLeft: true, multiplanarShowRender: 0, isNearestInterpolation: true,
      crosshairWidth: 0.7, crosshairWidthUnit: "mm", crosshairGap: 8, dragAndDropEnabled: false, logLevel: "error",
    });
    nv.onLocationChange = located;
    await nv.attachToCanvas(part("canvas"), false);
    for (const [number, image] of record.images.entries()) {
      if (image.kind === "anatomy") anatomy = await decoded(image, number);
      if (image.kind === "outline") { outline = await decoded(image, number); labelled(outline); }
    }
    nv.addVolume(anatomy);
    await choose(choice("overlay"));
    planes();
    move(record.start);
    section.niivue = nv;
    if (document.activeElement === part(".viewer-open")) part('input[name="viewer-overlay"]:checked').focus();
    part(".viewer-open").hidden = true;
    told("open", "");
  }

  function open() {
    opening ??= start().catch((fault) => {
      part(".viewer-stage").hidden = true;
      told("failed", `The viewer cannot be shown: ${fault.message}. The pictures on this page show the same maps.`);
    });
    return opening;
  }

  part(".viewer-open").addEventListener("click", open);
  section.addEventListener("change", (event) => {
    if (event.target.name === "viewer-overlay") choose(event.target.value);
    if (event.target.name === "viewer-planes") planes();
    if (event.target.matches(".viewer-outline, .viewer-opacity")) stack();
  });
  section.addEventListener("input", (event) => {
    if (event.target.matches(".viewer-x, .viewer-y, .viewer-z")) {
      move(axes.map((name) => Number(part(`.viewer-${name}`).value)));
    }
  });
  // anything on the page with data-mm="x y z" leads to that place
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-mm]");
    if (!link) return;
    await open();
    if (section.dataset.state !== "open") return;
    move(link.dataset.mm.split(" ").map(Number));
    section.scrollIntoView();
  });
  addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-mm]")) button.disabled = false;
  });
  part(".viewer-open").hidden = false;
})();
